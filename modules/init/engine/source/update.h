/* Updates of single modules, on the state's disk: UPDATES/VERSION/NAME.kept says how the container NAME of that system is started instead of
 * how the system came with it, NAME.trial is one that has still to show that it gets ready. The files that they speak of lie in FILES, each
 * named by its SHA-256. A record is text, lines of the boot plan and a few of its own, their fields parted by tabs:
 *
 *   update  NAME VERSION          the first line: whose it is, and of which system
 *   module  ID REFERENCE          which module and image, for who asks
 *   within  SECONDS               in which it must be ready
 *   config  SHA256                its configuration for the runtime, or under systemd its unit
 *   filter  SHA256                under systemd: that of what it may ask the kernel for, if it has one of its own
 *   layer   ID SHA256 BLOCKS:ROOT a layer that the store has not: its file, the tree of hashes behind it, and the tree's root
 *   layers, run, ready, ask, look as in the boot plan, in place of what that says of NAME
 *   sum     SHA256                the last line: of all lines before it */
#ifndef UPDATE_H
#define UPDATE_H
#include <stddef.h>

#define UPDATES "/state/updates"
#define FILES UPDATES "/files"
#define UPLOADING RUN "/uploading" /* files may come for which there is no record yet */

/* update.c */
int record_path(const char *name, enum source from, char *path, size_t size);
int record_is_right(const char *path, const char *name);
int file_sum(const char *path, char sum[65]);

/* update_files.c: in processes of their own */
int obey_update(char **words);
int keep_record(const char *name);
int forget_record(const char *name, enum source from);
void tidy_updates(int of_other_systems);
#endif

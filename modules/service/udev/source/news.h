/* Messages about devices, as the kernel writes them and as udevd passes them on (systemd, src/libsystemd/sd-device/device-monitor.c). */
#ifndef NEWS_H
#define NEWS_H
#include <sys/types.h>

int open_news(void);
const char *news_value(const char *text, size_t length, const char *key);
void tell_news(int file, const char *text, size_t length, const char *properties, const char *tag);
#endif

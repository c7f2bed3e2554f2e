#ifndef SHA256_H
#define SHA256_H
#include <stddef.h>
#include <stdint.h>

struct sha256 {
  uint32_t state[8];
  uint64_t length;
  unsigned char block[64];
};

void sha256_begin(struct sha256 *sum);
void sha256_add(struct sha256 *sum, const unsigned char *bytes, size_t length);
void sha256_text(struct sha256 *sum, char text[65]); /* ends it */
#endif

/* SHA-256 (FIPS 180-4), to know that what was received is what was sent. */
#include "sha256.h"
#include <stdio.h>
#include <string.h>

static const uint32_t rounds[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be,
    0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa,
    0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85,
    0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3,
    0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f,
    0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t turned(uint32_t word, int by) {
  return word >> by | word << (32 - by);
}

static void take_block(struct sha256 *sum, const unsigned char *at) {
  uint32_t w[64], v[8];
  for (int i = 0; i < 16; i++) w[i] = (uint32_t)at[i * 4] << 24 | at[i * 4 + 1] << 16 | at[i * 4 + 2] << 8 | at[i * 4 + 3];
  for (int i = 16; i < 64; i++) {
    uint32_t early = w[i - 15], late = w[i - 2];
    w[i] = w[i - 16] + w[i - 7] + (turned(early, 7) ^ turned(early, 18) ^ early >> 3) + (turned(late, 17) ^ turned(late, 19) ^ late >> 10);
  }
  memcpy(v, sum->state, sizeof v);
  for (int i = 0; i < 64; i++) {
    uint32_t one = v[7] + (turned(v[4], 6) ^ turned(v[4], 11) ^ turned(v[4], 25)) + ((v[4] & v[5]) ^ (~v[4] & v[6])) + rounds[i] + w[i];
    uint32_t two = (turned(v[0], 2) ^ turned(v[0], 13) ^ turned(v[0], 22)) + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
    memmove(v + 1, v, 7 * sizeof *v);
    v[4] += one;
    v[0] = one + two;
  }
  for (int i = 0; i < 8; i++) sum->state[i] += v[i];
}

void sha256_begin(struct sha256 *sum) {
  *sum = (struct sha256){{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19}, 0, {0}};
}

void sha256_add(struct sha256 *sum, const unsigned char *bytes, size_t length) {
  size_t used = sum->length % 64;
  sum->length += length;
  while (length) {
    size_t some = 64 - used < length ? 64 - used : length;
    if (some == 64) {
      take_block(sum, bytes);
    } else {
      memcpy(sum->block + used, bytes, some);
      if (used + some == 64) take_block(sum, sum->block);
    }
    used = (used + some) % 64;
    bytes += some;
    length -= some;
  }
}

void sha256_text(struct sha256 *sum, char text[65]) {
  static const unsigned char padding[64] = {0x80};
  unsigned char length[8];
  uint64_t bits = sum->length * 8;
  for (int i = 0; i < 8; i++) length[i] = bits >> (56 - 8 * i);
  sha256_add(sum, padding, 1 + (119 - sum->length % 64) % 64);
  sha256_add(sum, length, sizeof length);
  for (int i = 0; i < 8; i++) sprintf(text + i * 8, "%08x", sum->state[i]);
}

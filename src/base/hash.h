/* Hashes: SHA-256 (FIPS 180-4) for cache keys, FNV-1a for tables. */
#ifndef CLG_BASE_HASH_H_
#define CLG_BASE_HASH_H_

#include <stddef.h>
#include <stdint.h>

typedef struct clg_sha256 {
    uint32_t state[8];
    uint64_t bytes;
    uint8_t  block[64];
} clg_sha256;

void clg_sha256_init(clg_sha256 *h);
void clg_sha256_add(clg_sha256 *h, const void *data, size_t size);
void clg_sha256_add_str(clg_sha256 *h, const char *s); /* with its length: ("ab","c") != ("a","bc"); NULL as "" */
void clg_sha256_end(clg_sha256 *h, char hex[65]);

#define CLG_FNV_BASIS 14695981039346656037ull
uint64_t clg_fnv1a(uint64_t h, const void *data, size_t size); /* start from CLG_FNV_BASIS */

#endif /* CLG_BASE_HASH_H_ */

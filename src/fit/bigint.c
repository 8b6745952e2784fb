/* Integers of up to 4096 bits: sign and magnitude, schoolbook product; exact division from the lowest limb up
 * (Jebelean 1993, "An algorithm for exact division"), which needs no guess of quotient digits. */
#include "fit/bigint.h"

#include <math.h>
#include <string.h>

static void trim(clg_big *a) {
    while (a->n > 0 && a->limb[a->n - 1] == 0) a->n--;
    if (a->n == 0) a->sign = 0;
}

void clg_big_set(clg_big *a, int64_t value) {
    const uint64_t m = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    a->sign = value < 0 ? -1 : 1;
    a->limb[0] = (uint32_t)m;
    a->limb[1] = (uint32_t)(m >> 32);
    a->n = 2;
    trim(a);
}

void clg_big_shift(clg_big *a, int bits) {
    const int limbs = bits / 32, rest = bits % 32;
    if (a->sign == 0) return;
    memmove(a->limb + limbs, a->limb, (size_t)a->n * sizeof a->limb[0]);
    memset(a->limb, 0, (size_t)limbs * sizeof a->limb[0]);
    a->n += limbs;
    if (rest == 0) return;
    uint32_t carry = 0;
    for (int i = limbs; i < a->n; i++) {
        const uint32_t v = a->limb[i];
        a->limb[i] = v << rest | carry;
        carry = v >> (32 - rest);
    }
    if (carry) a->limb[a->n++] = carry;
}

void clg_big_mul(clg_big *to, const clg_big *a, const clg_big *b) {
    to->sign = a->sign * b->sign;
    to->n = to->sign ? a->n + b->n : 0;
    memset(to->limb, 0, (size_t)to->n * sizeof to->limb[0]);
    for (int i = 0; to->sign && i < a->n; i++) {
        uint64_t carry = 0;
        for (int j = 0; j < b->n; j++) {
            carry += (uint64_t)a->limb[i] * b->limb[j] + to->limb[i + j];
            to->limb[i + j] = (uint32_t)carry;
            carry >>= 32;
        }
        to->limb[i + b->n] = (uint32_t)carry;
    }
    trim(to);
}

static int compare_magnitude(const clg_big *a, const clg_big *b) {
    if (a->n != b->n) return a->n < b->n ? -1 : 1;
    for (int i = a->n - 1; i >= 0; i--)
        if (a->limb[i] != b->limb[i]) return a->limb[i] < b->limb[i] ? -1 : 1;
    return 0;
}

int clg_big_compare(const clg_big *a, const clg_big *b) {
    if (a->sign != b->sign) return a->sign < b->sign ? -1 : 1;
    return a->sign * compare_magnitude(a, b);
}

static void add_magnitude(clg_big *a, const clg_big *b) {
    const int n = a->n > b->n ? a->n : b->n;
    uint64_t carry = 0;
    for (int i = 0; i < n; i++) {
        carry += (uint64_t)(i < a->n ? a->limb[i] : 0) + (i < b->n ? b->limb[i] : 0);
        a->limb[i] = (uint32_t)carry;
        carry >>= 32;
    }
    a->n = n;
    if (carry) a->limb[a->n++] = (uint32_t)carry;
}

/* |a| - |b| where |a| >= |b|; to may be either. */
static void sub_magnitude(clg_big *to, const clg_big *a, const clg_big *b) {
    int64_t borrow = 0;
    const int n = a->n, nb = b->n;
    for (int i = 0; i < n; i++) {
        borrow += (int64_t)a->limb[i] - (i < nb ? b->limb[i] : 0);
        to->limb[i] = (uint32_t)borrow;
        borrow = borrow < 0 ? -1 : 0;
    }
    to->n = n;
}

void clg_big_sub(clg_big *a, const clg_big *b) {
    if (b->sign == 0) return;
    if (a->sign == 0) {
        *a = *b;
        a->sign = -b->sign;
    } else if (a->sign != b->sign) {
        add_magnitude(a, b);
    } else if (compare_magnitude(a, b) >= 0) {
        sub_magnitude(a, a, b);
        trim(a);
    } else {
        sub_magnitude(a, b, a);
        a->sign = -a->sign;
        trim(a);
    }
}

static void halve(clg_big *a, int bits) { /* a / 2^bits, bits < 32 */
    if (bits == 0) return;
    for (int i = 0; i < a->n; i++)
        a->limb[i] = a->limb[i] >> bits | (i + 1 < a->n ? a->limb[i + 1] << (32 - bits) : 0);
    trim(a);
}

static void drop_low(clg_big *a, int limbs) {
    memmove(a->limb, a->limb + limbs, (size_t)(a->n - limbs) * sizeof a->limb[0]);
    a->n -= limbs;
}

void clg_big_div_exact(clg_big *a, const clg_big *d) {
    if (a->sign == 0) return;
    clg_big odd = *d;
    int zeros = 0, bits = 0;
    while (odd.limb[zeros] == 0) zeros++;
    while (!(odd.limb[zeros] >> bits & 1)) bits++;
    drop_low(&odd, zeros);
    halve(&odd, bits);
    drop_low(a, zeros);
    halve(a, bits);
    uint32_t inverse = odd.limb[0]; /* of odd modulo 2^32: right to 3 bits, and each step doubles that */
    for (int i = 0; i < 4; i++) inverse *= 2 - odd.limb[0] * inverse;
    for (int i = 0; i < a->n; i++) {
        const uint32_t q = a->limb[i] * inverse;
        uint64_t borrow = 0;
        for (int j = 0; i + j < a->n; j++) { /* subtracts q odd 2^(32 i) from what is left of a */
            borrow += j < odd.n ? (uint64_t)q * odd.limb[j] : 0;
            const uint32_t low = (uint32_t)borrow;
            borrow = (borrow >> 32) + (a->limb[i + j] < low);
            a->limb[i + j] -= low;
            if (j >= odd.n && borrow == 0) break;
        }
        a->limb[i] = q;
    }
    a->sign *= d->sign;
    trim(a);
}

/* |a| as m 2^*e with 96 bits of it in m. */
static double mantissa(const clg_big *a, int *e) {
    double m = 0;
    const int low = a->n > 3 ? a->n - 3 : 0;
    for (int i = a->n - 1; i >= low; i--) m = m * 0x1p32 + a->limb[i];
    *e = 32 * low;
    return m;
}

double clg_big_ratio(const clg_big *a, const clg_big *d) {
    int ea, ed;
    const double ma = mantissa(a, &ea), md = mantissa(d, &ed);
    return a->sign * d->sign * ldexp(ma / md, ea - ed);
}

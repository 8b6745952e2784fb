/* Keeps the workers of a CPU implementation from falling asleep between two runs; host side: src/cl/awake.c.
 *
 *   spin   tells by bell[SEEN] = round that it runs, so that what was enqueued before is done;
 *          returns when *bell has reached `round`, both modulo 2^32, after `stay` more looks at it, or after `most` in
 *          vain: so it ends whatever the host does */
#include "clg.clh"

enum { SEEN = 16 }; /* words: another line of the cache */

KERNEL spin(INOUT_T(volatile uint, bell), const uint round, const int most, const int stay) {
    mem_fence(CLK_GLOBAL_MEM_FENCE);
    STORE(bell, SEEN, round);
    int i = 0;
    for (; i < most && as_int(LOAD(bell, 0) - round) < 0; i++)
        for (volatile int pause = 0; pause < 4; pause++) {}
    if (i == most) return;
    for (i = 0; i < stay && as_int(LOAD(bell, 0) - round) >= 0; i++)
        for (volatile int pause = 0; pause < 4; pause++) {}
}

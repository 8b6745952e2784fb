/* The progress bar: on a terminal, here a pseudo-terminal (posix_openpt), it has count, rate and remaining time;
 * elsewhere there is none. */
#include "support/program.h"
#include <fcntl.h>
#include <math.h>

/* All that the command writes to its terminal, which is its stderr. */
static void run_on_terminal(const char *arguments, char *text, size_t size) {
    char command[1000];
    size_t n = 0;
    ssize_t got;
    const int terminal = posix_openpt(O_RDWR | O_NOCTTY);
    cr_assert(terminal >= 0 && grantpt(terminal) == 0 && unlockpt(terminal) == 0);
    const int other = open(ptsname(terminal), O_RDWR | O_NOCTTY);
    cr_assert_geq(other, 0);
    snprintf(command, sizeof command, "exec \"$CLGRAD_TOOL\" %s >out", arguments);
    const pid_t pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0) {
        dup2(other, STDERR_FILENO);
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    close(other); /* so that reading ends with the program */
    while (n + 1 < size && (got = read(terminal, text + n, size - 1 - n)) > 0) n += (size_t)got;
    text[n] = 0;
    close(terminal);
    cr_expect_eq(finish(pid), 0);
}

Test(progress, a_terminal_sees_rate_and_remaining_time, .init = set_up, .fini = tear_down, .timeout = 120) {
    static char text[1 << 18];
    int bars = 0, rates = 0;
    run_on_terminal("train --device ref --model mlp --hidden 32 --epochs 2", text, sizeof text);
    for (const char *p = text; (p = strstr(p, "epoch ")) != NULL; p++) {
        long epoch, done, total, minutes, seconds;
        double rate;
        char bar[32];
        if (sscanf(p, "epoch %ld of 2 [%24[#.]] %ld/%ld", &epoch, bar, &done, &total) != 4) continue;
        const char *behind = strchr(p, '/') + 1;
        cr_expect(epoch >= 1 && epoch <= 2 && total == 6400 && strlen(bar) == 24, "%.80s", p);
        cr_expect_eq((long)strspn(bar, "#"), 24 * done / total, "%.80s", p);
        bars++;
        if (sscanf(behind, "6400  %lf pictures/s  %ld:%ld left", &rate, &minutes, &seconds) != 3) continue;
        const double left = (double)(total - done) / rate;
        cr_expect(rate > 0 && fabs(left - (double)(60 * minutes + seconds)) < 1, "%.80s", p);
        rates++;
    }
    cr_expect(bars >= 4 && rates >= 2 && rates < bars, "%d bars, %d with a rate: not the first of an epoch", bars,
              rates);
    cr_expect_null(strstr(text, "nan"));
}

Test(progress, a_file_has_no_bars, .init = set_up, .fini = tear_down) {
    expect_run(0, "train --device ref --data moons --epochs 3");
    size_t n;
    char *text = slurp("err", &n);
    cr_expect_eq(n, 0, "%s", text);
    free(text);
}

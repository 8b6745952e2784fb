/* What the tests of training runs share: a folder, a device, data, trainers. */
#ifndef CLG_TESTS_SUPPORT_RUNS_H_
#define CLG_TESTS_SUPPORT_RUNS_H_

#include <clgrad/clgrad.h>

/** The reference device, and a folder to work in, which is the present one: .init and .fini of a suite. */
extern clg_device *dev;
void open_dev(void);
void close_dev(void);

/** n points; class: inside the circle or not, with a share of wrong labels; or two reals, 2 x - 3 y + 1 and x y. */
clg_dataset *points(int64_t n, bool reals, double wrong, uint32_t seed, enum clg_part part);

clg_model *model_for(const char *text, const clg_dataset *d);

/** A trainer with a store of its own (seed 5), which it holds. */
clg_trainer *trainer_on(clg_device *d, const char *text, const clg_dataset *data, const clg_fit_params *p);
clg_trainer *trainer(const char *text, const clg_dataset *data, const clg_fit_params *p);

/** A run that must not fail. */
clg_fit_result fit(clg_trainer *t, clg_dataset *train, clg_dataset *val);

/** All params of a store, one after the other; returns their bytes. */
size_t weights(clg_trainer *t, unsigned char *to, size_t size);

/** Where a callback stops a run; 0: never. */
typedef struct stop_at {
    int64_t step, epoch;
} stop_at;
enum clg_fit_action stop_step(void *user, const clg_fit_state *s);

#endif /* CLG_TESTS_SUPPORT_RUNS_H_ */

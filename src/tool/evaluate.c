/* Loss, accuracy and confusion of a model over a data set, by inference plans. Labels come from the host's copy, so
 * one read of the answers a batch gives everything. */
#include "tool/model.h"

static void part_free(clg_evaluator *e, int i) {
    clg_plan_destroy(&e->part[i].plan);
    clg_net_free(&e->part[i].net);
}

/* The slot with a plan for batches of `rows`; -1 after a failure. */
static int part_for(clg_evaluator *e, int64_t rows) {
    for (int i = 0; i < 2; i++)
        if (e->part[i].plan && e->part[i].net.rows == rows) return i;
    const int i = (int)(e->used++ % 2);
    part_free(e, i);
    clg_net *net = &e->part[i].net;
    if (!clg_net_build(net, e->model, e->dev, e->store, rows)) return -1;
    e->part[i].plan = clg_compile(net->graph, CLG_LIST(net->loss, net->answer), &(clg_plan_params){.inference = true});
    return e->part[i].plan ? i : -1;
}

static clg_status run_batch(clg_evaluator *e, clg_dataset *d, int64_t first, int64_t rows, clg_net_score *sum,
                            int64_t *right, int64_t *confusion) {
    const int i = part_for(e, rows);
    if (i < 0) return clg_error_status();
    clg_plan *plan = e->part[i].plan;
    const clg_net *net = &e->part[i].net;
    int32_t answer[CLG_EVAL_BATCH];
    float loss;
    clg_status s = clg_dataset_next(d, plan, net->x, net->t);
    if (s == CLG_OK) s = clg_run(plan);
    if (s == CLG_OK) s = clg_read(plan, net->answer, answer, (size_t)rows * sizeof answer[0]);
    if (s == CLG_OK) s = clg_read(plan, net->loss, &loss, sizeof loss);
    for (int64_t k = 0; s == CLG_OK && k < rows; k++) {
        int32_t label;
        s = clg_dataset_item(d, first + k, NULL, &label);
        if (s < 0) break;
        *right += answer[k] == label;
        if (confusion && label < e->model->classes && answer[k] >= 0 && answer[k] < e->model->classes)
            confusion[label * e->model->classes + answer[k]]++;
    }
    if (s == CLG_OK) sum->loss += (double)loss * (double)rows;
    return s;
}

clg_status clg_net_evaluate(clg_evaluator *e, clg_dataset *d, int64_t max, clg_net_score *score, int64_t *confusion) {
    const int64_t size = clg_dataset_size(d), n = max > 0 && max < size ? max : size;
    clg_net_score sum = {.n = n};
    int64_t right = 0;
    clg_status s = clg_dataset_start(d, false, 0, 0);
    for (int64_t first = 0; s == CLG_OK && first < n; first += CLG_EVAL_BATCH) {
        const int64_t rows = n - first < CLG_EVAL_BATCH ? n - first : CLG_EVAL_BATCH;
        s = run_batch(e, d, first, rows, &sum, &right, confusion);
    }
    if (s < 0) return s;
    sum.loss /= (double)n;
    sum.accuracy = (double)right / (double)n;
    *score = sum;
    return CLG_OK;
}

void clg_evaluator_free(clg_evaluator *e) {
    for (int i = 0; i < 2; i++) part_free(e, i);
}

/* A saved network in an application: `predict MODEL.safetensors PICTURE...` prints what each picture is taken for. The
 * file comes from clgrad train --save, clg_trainer_save(), or the chapter lenet.c; its model has an output for each
 * class. */
#include <clgrad/clgrad.h>

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
    clg_device    *dev = argc > 2 ? clg_device_open(NULL, NULL) : NULL;
    clg_predictor *net = argc > 2 ? clg_predictor_open(dev, argv[1], NULL) : NULL; /* loads, compiles, warms up */
    const int64_t  classes = clg_predictor_classes(net);
    const bool     fits = classes > 0 && classes == clg_model_outputs(clg_predictor_model(net));
    float         *p = fits ? calloc((size_t)classes, sizeof *p) : NULL;
    bool wrong = !p;
    for (int i = 2; p && i < argc; i++) {
        clg_image picture = {0};
        int32_t   best;
        if (clg_image_read(argv[i], &picture) == CLG_OK && clg_predict_image(net, &picture, p, &best) == CLG_OK) {
            printf("%s is a %d, I am %.1f %% sure\n", argv[i], (int)best, 100 * p[best]);
        } else {
            fprintf(stderr, "%s: %s\n", argv[i], clg_error());
            wrong = true;
        }
        clg_image_free(&picture);
    }
    if (argc < 3) fprintf(stderr, "usage: %s MODEL.safetensors PICTURE...\n", argv[0]);
    else if (net && !fits) fprintf(stderr, "%s: its model has no output for each class\n", argv[1]);
    else if (!p) fprintf(stderr, "%s\n", net ? "no memory" : clg_error());
    free(p);
    clg_predictor_destroy(&net);
    clg_device_destroy(&dev);
    return wrong ? 1 : 0;
}

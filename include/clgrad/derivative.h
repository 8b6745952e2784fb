/* Derivatives as a course teaches them: Jacobians, Hessians, directional derivatives. All are built as graph, so they
 * are compiled like any value and can be differentiated again; see clg_grad() and clg_vjp() for the reverse mode. */
#ifndef CLGRAD_DERIVATIVE_H_
#define CLGRAD_DERIVATIVE_H_

#include <clgrad/graph.h>

CLG_BEGIN_DECLS

/**
 * The directional derivative of y with respect to x along v: J v = d/dt y(x + t v) at t = 0.
 *
 * It costs about as much as y itself, whatever the size of x: the vector-Jacobian product u -> J^T u is linear in u,
 * and its own vector-Jacobian product is J v (two reverse sweeps; nothing that holds u is left in the result).
 *
 * Shapes: v as x -> as y
 * Errors: CLG_ERR_SHAPE if v is not of x's type and shape; CLG_ERR_UNSUP, naming the op, if one between x and y has no
 *         gradient, or one whose gradient cannot be differentiated
 * Source: J. Townsend 2017, "A new trick for calculating Jacobian vector products"
 */
CLG_API clg_tensor *clg_jvp(clg_tensor *y, clg_tensor *x, clg_tensor *v);

/**
 * All partial derivatives dy/dx in numerator layout: the axes of y, then the axes of x in reverse.
 *
 * A scalar (one axis of size 1, or none) has no axes here; a vector ([n,1], n of any size, or [n] with n other than 1)
 * has one; a matrix two; from there on, all. What would be left without axes gets one of size 1; a vector by a scalar
 * is a column, a scalar by a vector is a row:
 *
 *                   x (1,)    x (n,1)    x (n,k)
 *      y (1,)       (1,)      (1,n)      (k,n)
 *      y (m,1)      (m,1)     (m,n)      (m,k,n)
 *      y (m,l)      (m,l)     (m,l,n)    (m,l,k,n)
 *
 * Element [i..., j...] is dy[i...] / dx[j... reversed]. Built by one reverse sweep an element of y, or one clg_jvp() an
 * element of x if those are fewer: a plan of a thousand of them takes its time to compile.
 *
 * Type:   that of y
 * Errors: CLG_ERR_SHAPE if the result would have more than 6 axes; CLG_ERR_UNSUP if both y and x have more than 1024
 *         elements: then clg_jvp() and clg_vjp() give products with the Jacobian
 */
CLG_API clg_tensor *clg_jacobian(clg_tensor *y, clg_tensor *x);

/**
 * Second partial derivatives of the one-element y: clg_jacobian(clg_grad(y, x), x).
 *
 * Shapes: x (1,) -> (1,); x [n,1] or [n] -> (n,n), symmetric; x (n,k) -> (n,k,k,n)
 * Errors: those of clg_jacobian(); CLG_ERR_SHAPE if y has more than one element
 */
CLG_API clg_tensor *clg_hessian(clg_tensor *y, clg_tensor *x);

/** H v for the Hessian H of the one-element y by x, as the gradient of <dy/dx, v>: no Hessian is made.
 *  Shapes: v as x -> as x. Source: Pearlmutter 1994 (the product; here by two reverse sweeps). */
CLG_API clg_tensor *clg_hvp(clg_tensor *y, clg_tensor *x, clg_tensor *v);

CLG_END_DECLS

#endif /* CLGRAD_DERIVATIVE_H_ */

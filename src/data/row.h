/* One item as numbers: pixels scaled, features standardised, in the type that is asked for. */
#ifndef CLG_DATA_ROW_H_
#define CLG_DATA_ROW_H_

#include "data/items.h"
#include "data/scaler.h"

/** Writes the numbers of an item. type: CLG_F32 or CLG_F64; scaler NULL: as they are. Computes in double and rounds
 *  once: u8 / 255 in f32 is what PyTorch's ToTensor gives. */
void clg_row_x(const clg_items *it, const clg_scaler *scaler, size_t row, clg_dtype type, void *to);

/** Writes the class (as i32, f32 or f64) or the targets (f32 or f64) of an item. */
void clg_row_target(const clg_items *it, size_t row, clg_dtype type, void *to);

#endif /* CLG_DATA_ROW_H_ */

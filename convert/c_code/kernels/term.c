#if defined(__ARM_FEATURE_SIMD32)
#include <arm_acle.h>
#endif

#define DIGITS_TERMS 32U /* even */

/* An input that is not zero: where its weights begin in a block, and how far it is from zero. */
typedef struct {
    uint16_t weights;
    uint16_t value; //! zeros
    int16_t value; //? zeros
} digits_term;

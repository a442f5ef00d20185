/* The upper half of a * b + nudge. */
static uint32_t multiply_high(uint32_t a, uint32_t b, uint32_t nudge)
{
#if defined(__ARM_ARCH_6M__) || defined(__ARM_ARCH_8M_BASE__) || defined(DIGITS_NO_LONG_MULTIPLY)
    const uint32_t low = (a & 0xFFFFU) * (b & 0xFFFFU);
    const uint32_t left = (a >> 16) * (b & 0xFFFFU);
    const uint32_t middle = (low >> 16) + (left & 0xFFFFU) + (a & 0xFFFFU) * (b >> 16);
    const uint32_t below = (middle << 16) | (low & 0xFFFFU);
    return (a >> 16) * (b >> 16) + (left >> 16) + (middle >> 16) + ((below + nudge) < nudge ? 1U : 0U);
#else
    return (uint32_t)(((uint64_t)a * b + nudge) >> 32);
#endif
}

/* A sum, as two's complement, in steps of the output. */
static uint8_t rescale_any(const digits_layer *layer, uint32_t channel, uint32_t sum)
{
    const uint32_t negative = sum >> 31;
    uint32_t magnitude, steps, shift;
    int32_t value;

    magnitude = negative != 0U ? 0U - sum : sum;
    shift = (uint32_t)layer->shifts[channel];
    if (layer->shifts[channel] < 0) { //? left
        magnitude <<= 0U - shift; //? left
        shift = 0U; //? left
    } //? left
    steps = multiply_high(magnitude, layer->multipliers[channel], layer->twice != 0U ? 0x80000000U - 2U * negative : 0U);
    steps = (steps + ((1U << shift) >> 1)) >> shift;
    if (steps > 255U) {
        steps = 255U;
    }
    value = (int32_t)layer->zero + (negative != 0U ? -(int32_t)steps : (int32_t)steps);
    if (value < (int32_t)layer->low) {
        value = (int32_t)layer->low;
    }
    if (value > (int32_t)layer->high) {
        value = (int32_t)layer->high;
    }
    return (uint8_t)value;
}

static uint8_t rescale(const digits_layer *layer, uint32_t channel, uint32_t sum)
{
    if (sum >= 0x80000000U && layer->relu != 0U) {
        return layer->low;
    }
    return rescale_any(layer, channel, sum);
}

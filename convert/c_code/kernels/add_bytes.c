#if defined(__ARM_FEATURE_SIMD32)
static uint32_t load_word(const void *from)
{
    uint32_t word;

    __builtin_memcpy(&word, from, sizeof word);
    return word;
}

/* sum + the products of two halves; bytes 0 and 2 of `weights` are the weights. */
static uint32_t add_two(uint32_t sum, uint32_t weights, uint32_t values)
{
    return (uint32_t)__smlad((int16x2_t)(weights & 0x00FF00FFU), (int16x2_t)values, (int32_t)sum);
}
#endif

/* Add an even number of terms to the sums of all outputs, four at a time. Weights are stored in blocks of four outputs, each increased by
   128. */
static void add_bytes(const digits_layer *layer, const digits_term *terms, const digits_term *end, const uint32_t *from, uint32_t *sums)
{
    const uint32_t *const last = sums + layer->channels;
    const uint8_t *block = layer->weights;

    while (sums < last) {
        uint32_t sum0 = from[0], sum1 = from[1], sum2 = from[2], sum3 = from[3];
        const digits_term *term;

        for (term = terms; term != end; term += 2) {
            const uint8_t *const first = block + term[0].weights;
            const uint8_t *const second = block + term[1].weights;
#if defined(__ARM_FEATURE_SIMD32)
            const uint32_t values = (uint32_t)(uint16_t)term[0].value | ((uint32_t)(uint16_t)term[1].value << 16);
            const uint32_t weights = load_word(first), others = load_word(second);
            const uint32_t low = (weights & 0xFFFFU) | (others << 16);
            const uint32_t high = (weights >> 16) | (others & 0xFFFF0000U);

            sum0 = add_two(sum0, low, values);
            sum1 = add_two(sum1, low >> 8, values);
            sum2 = add_two(sum2, high, values);
            sum3 = add_two(sum3, high >> 8, values);
#else
            const uint32_t value = (uint32_t)term[0].value, other = (uint32_t)term[1].value;

            sum0 += value * first[0];
            sum1 += value * first[1];
            sum2 += value * first[2];
            sum3 += value * first[3];
            sum0 += other * second[0];
            sum1 += other * second[1];
            sum2 += other * second[2];
            sum3 += other * second[3];
#endif
        }
        sums[0] = sum0;
        sums[1] = sum1;
        sums[2] = sum2;
        sums[3] = sum3;
        from += 4;
        sums += 4;
        block += layer->block_bytes;
    }
}

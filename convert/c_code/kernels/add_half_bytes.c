/* Add terms to the sums of all outputs, four at a time. Weights are stored in blocks of four outputs, two in a byte with
   the first in its lower half, each increased by 8. A byte is its lower half plus 16 times its upper one, so whole bytes are multiplied,
   and 16 times the upper sum is subtracted once. */
static void add_half_bytes(const digits_layer *layer, const digits_term *terms, const digits_term *end, const uint32_t *from,
                           uint32_t *sums)
{
    const uint32_t *const last = sums + layer->channels;
    const uint8_t *block = layer->weights;

    while (sums < last) {
        uint32_t both0 = 0U, upper1 = 0U, both2 = 0U, upper3 = 0U;
        const digits_term *term;

        for (term = terms; term != end; term++) {
            const uint8_t *const weights = block + term->weights;
            const uint32_t value = (uint32_t)term->value;

            both0 += value * weights[0];
            upper1 += value * ((uint32_t)weights[0] >> 4);
            both2 += value * weights[1];
            upper3 += value * ((uint32_t)weights[1] >> 4);
        }
        sums[0] = from[0] + both0 - 16U * upper1;
        sums[1] = from[1] + upper1;
        sums[2] = from[2] + both2 - 16U * upper3;
        sums[3] = from[3] + upper3;
        from += 4;
        sums += 4;
        block += layer->block_bytes;
    }
}

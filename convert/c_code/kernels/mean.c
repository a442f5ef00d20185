/* The mean of each channel over all rows and columns. */
static void mean(const digits_layer *layer, const uint8_t *source, uint8_t *result)
{
    const uint32_t count = (uint32_t)layer->source_rows * layer->source_columns;
    uint32_t channel, pixel;

    for (channel = 0U; channel < layer->channels; channel++) {
        const uint8_t *input = source + channel;
        uint32_t sum = 0U - count * layer->source_zero;

        for (pixel = 0U; pixel < count; pixel++) {
            sum += *input;
            input += layer->channels;
        }
        *result++ = rescale(layer, 0U, sum);
    }
}

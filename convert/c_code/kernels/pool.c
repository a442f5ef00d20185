static uint8_t within(const digits_layer *layer, uint32_t value)
{
    const uint32_t low = layer->low, high = layer->high;

    return (uint8_t)(value < low ? low : value > high ? high : value);
}

/* The largest or the mean value of each channel in a window, without padding. */
static void pool(const digits_layer *layer, const uint8_t *source, uint8_t *result)
{
    uint32_t row, column, channel;

    for (row = 0U; row < layer->rows; row++) {
        for (column = 0U; column < layer->columns; column++) {
            const int32_t top = (int32_t)(row * layer->row_stride) - (int32_t)layer->row_padding;
            const int32_t left = (int32_t)(column * layer->column_stride) - (int32_t)layer->column_padding;

            for (channel = 0U; channel < layer->channels; channel++) {
                uint32_t largest = 0U, sum = 0U, count = 0U;
                int32_t y, x;

                for (y = top; y < top + (int32_t)layer->kernel_rows; y++) {
                    for (x = left; x < left + (int32_t)layer->kernel_columns; x++) {
                        if (y >= 0 && y < (int32_t)layer->source_rows && x >= 0 && x < (int32_t)layer->source_columns) {
                            const uint32_t pixel = (uint32_t)y * layer->source_columns + (uint32_t)x;
                            const uint32_t value = source[pixel * layer->source_channels + channel];

                            largest = value > largest ? value : largest;
                            sum += value;
                            count++;
                        }
                    }
                }
                if (layer->maximum != 0U) {
                    *result++ = within(layer, largest);
                } else { /* halves away from 0, which is 128 here */
                    const uint32_t middle = 128U * count;
                    const uint32_t steps = ((sum < middle ? middle - sum : sum - middle) + count / 2U) / count;

                    *result++ = within(layer, sum < middle ? 128U - steps : 128U + steps);
                }
            }
        }
    }
}

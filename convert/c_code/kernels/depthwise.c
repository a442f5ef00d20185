/* Each channel by filters of its own; weights are int8, [row][column][channel]. */
static void depthwise(const digits_layer *layer, const uint8_t *source, uint8_t *result)
{
    const uint32_t multiplier = (uint32_t)layer->channels / layer->source_channels;
    uint32_t row, column, channel;

    for (row = 0U; row < layer->rows; row++) {
        for (column = 0U; column < layer->columns; column++) {
            for (channel = 0U; channel < layer->channels; channel++) {
                const uint8_t *weights = layer->weights + channel;
                uint32_t sum = layer->biases[channel], kernel_row, kernel_column;
                int32_t y = (int32_t)(row * layer->row_stride) - (int32_t)layer->row_padding;

                for (kernel_row = 0U; kernel_row < layer->kernel_rows; kernel_row++) {
                    int32_t x = (int32_t)(column * layer->column_stride) - (int32_t)layer->column_padding;

                    for (kernel_column = 0U; kernel_column < layer->kernel_columns; kernel_column++) {
                        if (y >= 0 && y < (int32_t)layer->source_rows && x >= 0 && x < (int32_t)layer->source_columns) {
                            const uint32_t pixel = (uint32_t)y * layer->source_columns + (uint32_t)x;
                            const uint32_t value = source[pixel * layer->source_channels + channel / multiplier];

                            sum += (value - layer->source_zero) * ((uint32_t)*weights - 128U);
                        }
                        weights += layer->channels;
                        x += (int32_t)layer->column_dilation;
                    }
                    y += (int32_t)layer->row_dilation;
                }
                *result++ = rescale(layer, channel, sum);
            }
        }
    }
}

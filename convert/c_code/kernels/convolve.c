static void add_terms(const digits_layer *layer, digits_term *terms, digits_term *end, const uint32_t *from, uint32_t *sums)
{
    if (layer->half_bytes != 0U) { //? mixed
        add_half_bytes(layer, terms, end, from, sums); //? half_bytes
        return; //? mixed
    } //? mixed
    if (((uint32_t)(end - terms) & 1U) != 0U) { //? bytes
        end->weights = 0U; //? bytes
        end->value = 0; //? bytes
        end++; //? bytes
    } //? bytes
    add_bytes(layer, terms, end, from, sums); //? bytes
}

/* Convolutions and dense layers: for each pixel, the inputs that are not zero are gathered, and only these are multiplied. */
static void convolve(const digits_layer *layer, const uint8_t *source, uint8_t *result)
{
    const uint32_t step = layer->half_bytes != 0U ? 2U : 4U; /* bytes of a block's weights for an input */
    const int32_t inputs = (int32_t)layer->source_channels;
    const int32_t width = (int32_t)layer->source_columns, height = (int32_t)layer->source_rows;
    const int32_t run_columns = (int32_t)layer->run_columns;
    uint32_t sums[DIGITS_SUMS];
    digits_term terms[DIGITS_TERMS];
    uint32_t row, column, channel;

    for (row = 0U; row < layer->rows; row++) {
        for (column = 0U; column < layer->columns; column++) {
            const int32_t left = (int32_t)(column * layer->column_stride) - (int32_t)layer->column_padding;
            int32_t y = (int32_t)(row * layer->row_stride) - (int32_t)layer->row_padding;
            const uint32_t *from = layer->biases;
            digits_term *term = terms;
            uint32_t place = 0U, total = 0U, kernel_row, run;

            for (kernel_row = 0U; kernel_row < layer->kernel_rows; kernel_row++) {
                int32_t x = left;

                /* Neighbouring columns are one run; with dilation each column is a run. */
                for (run = 0U; run < layer->runs; run++) {
                    int32_t before = 0, after = 0; /* columns of the run that are padding */
                    int32_t bytes;

                    if (layer->padded != 0U) {
                        if (y < 0 || y >= height || x >= width) {
                            after = run_columns;
                        } else {
                            before = x >= 0 ? 0 : x + run_columns < 0 ? run_columns : -x;
                            after = x + run_columns > width ? x + run_columns - width : 0;
                        }
                    }
                    place += (uint32_t)(before * inputs) * step;
                    bytes = (run_columns - before - after) * inputs;
                    if (bytes > 0) {
                        const uint8_t *input = source + (y * width + x + before) * inputs;
                        do {
                            const uint32_t value = (uint32_t)*input++; //! zeros
                            const int32_t value = (int32_t)*input++ - (int32_t)layer->source_zero; //? zeros

                            if (value != 0) {
                                term->weights = (uint16_t)place;
                                term->value = (uint16_t)value; //! zeros
                                term->value = (int16_t)value; //? zeros
                                total += (uint32_t)value;
                                term++;
                                if (term == terms + DIGITS_TERMS) {
                                    add_terms(layer, terms, term, from, sums);
                                    from = sums;
                                    term = terms;
                                }
                            }
                            place += step;
                            bytes--;
                        } while (bytes != 0);
                    }
                    place += (uint32_t)(after * inputs) * step;
                    x += (int32_t)layer->column_dilation;
                }
                y += (int32_t)layer->row_dilation;
            }
            add_terms(layer, terms, term, from, sums);
            total *= layer->half_bytes != 0U ? 8U : 128U; /* what the weights were increased by */
            for (channel = 0U; channel < layer->channels; channel++) {
                *result++ = rescale(layer, channel, sums[channel] - total);
            }
        }
    }
}

// The loops of a training that a CPU spends its time in, each in one pass over its numbers.
//
// Every array is contiguous. Frames of a convolution stand below one another: a position of a frame is a
// row of channels. `winner` tells which of the three positions under a pooling window was the largest
// (1, 2, 3), or 0 where the ReLU let nothing through. Plain loops: the compiler makes vectors of them.
// What goes through a matrix product between the layers is a VALUE: float or Half.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

namespace {

// bfloat16: the upper half of a float, rounded to the nearest, and to even halfway.
struct Half {
    uint16_t bits;
    Half& operator=(float value) {
        uint32_t whole;
        std::memcpy(&whole, &value, sizeof whole);
        bits = uint16_t((whole + 0x7fff + (whole >> 16 & 1)) >> 16);
        return *this;
    }
    operator float() const {
        const uint32_t whole = uint32_t(bits) << 16;
        float value;
        std::memcpy(&value, &whole, sizeof value);
        return value;
    }
};

using Value = VALUE;

struct Pooled {
    float value;
    int8_t winner;
};

inline Pooled pool_three(float first, float second, float third, float bias) {
    const float largest = std::max(std::max(first, second), third);
    const int8_t winner = first == largest ? 1 : second == largest ? 2 : 3;
    const float value = largest + bias;
    return {value > 0 ? value : 0, value > 0 ? winner : int8_t(0)};
}

// Where its exponential would be infinite, a fast division has no number to give.
inline float sigmoid(float x) { return 1 / (1 + std::exp(-std::max(x, -80.0f))); }

// Sixteen numbers that the compiler keeps in registers, wherever they lie in memory.
typedef float Lanes __attribute__((vector_size(64), aligned(4)));
constexpr long LANES = sizeof(Lanes) / sizeof(float);

// ROWS x inner times inner x columns, plus a bias where there is one.
template <int ROWS>
inline void multiply_rows(const float* left, long left_stride, long inner, const float* right, long columns,
                          const float* bias, float* out) {
    for (long at = 0; at < columns; at += LANES) {
        Lanes sums[ROWS];
        for (int row = 0; row < ROWS; ++row) sums[row] = bias ? *(const Lanes*)(bias + at) : Lanes{};
        for (long k = 0; k < inner; ++k) {
            const Lanes weights = *(const Lanes*)(right + k * columns + at);
#pragma GCC unroll 8
            for (int row = 0; row < ROWS; ++row) sums[row] += left[row * left_stride + k] * weights;
        }
        for (int row = 0; row < ROWS; ++row) *(Lanes*)(out + row * columns + at) = sums[row];
    }
}

// `columns` is a multiple of LANES.
void multiply(const float* left, long left_stride, long rows, long inner, const float* right, long columns,
              const float* bias, float* out) {
    long row = 0;
    for (; row + 8 <= rows; row += 8)
        multiply_rows<8>(left + row * left_stride, left_stride, inner, right, columns, bias, out + row * columns);
    for (; row + 4 <= rows; row += 4)
        multiply_rows<4>(left + row * left_stride, left_stride, inner, right, columns, bias, out + row * columns);
    for (; row < rows; ++row)
        multiply_rows<1>(left + row * left_stride, left_stride, inner, right, columns, bias, out + row * columns);
}

}  // namespace

extern "C" {

// Convolution of one channel (kernel 3, stride 2; weight [3, channel]), pooling (3, stride 2) and ReLU.
// Of `rows` positions of a frame the first `pooled_width` are filled, the others left as they are.
void convolve_first(const float* frames, long n_frames, long width, const float* weight, const float* bias,
                    long channels, long pooled_width, long rows, Value* pooled, int8_t* winner) {
    const float *w0 = weight, *w1 = weight + channels, *w2 = weight + 2 * channels;
    for (long frame = 0; frame < n_frames; ++frame)
        for (long place = 0; place < pooled_width; ++place) {
            const float* x = frames + frame * width + 4 * place;
            Value* out = pooled + (frame * rows + place) * channels;
            int8_t* won = winner + (frame * rows + place) * channels;
#pragma GCC ivdep
            for (long c = 0; c < channels; ++c) {
                const auto [value, which] = pool_three(
                    w0[c] * x[0] + w1[c] * x[1] + w2[c] * x[2], w0[c] * x[2] + w1[c] * x[3] + w2[c] * x[4],
                    w0[c] * x[4] + w1[c] * x[5] + w2[c] * x[6], bias[c]);
                out[c] = value;
                won[c] = which;
            }
        }
}

// Gradients of the same; those of the weight and the bias are added, that of the frames may be null.
void convolve_first_gradient(const Value* pooled_grad, const int8_t* winner, const float* frames, long n_frames,
                             long width, const float* weight, long channels, long pooled_width, long rows,
                             float* weight_grad, float* bias_grad, float* frames_grad) {
    const float *w0 = weight, *w1 = weight + channels, *w2 = weight + 2 * channels;
    float *d0 = weight_grad, *d1 = weight_grad + channels, *d2 = weight_grad + 2 * channels;
    if (frames_grad) std::fill(frames_grad, frames_grad + n_frames * width, 0.0f);
    for (long frame = 0; frame < n_frames; ++frame)
        for (long place = 0; place < pooled_width; ++place) {
            const float* x = frames + frame * width + 4 * place;
            const Value* grad = pooled_grad + (frame * rows + place) * channels;
            const int8_t* won = winner + (frame * rows + place) * channels;
            float x0 = 0, x1 = 0, x2 = 0, x3 = 0, x4 = 0, x5 = 0, x6 = 0;
#pragma GCC ivdep
            for (long c = 0; c < channels; ++c) {
                const float here = grad[c], first = won[c] == 1 ? here : 0, second = won[c] == 2 ? here : 0,
                            third = won[c] == 3 ? here : 0;
                bias_grad[c] += first + second + third;
                d0[c] += first * x[0] + second * x[2] + third * x[4];
                d1[c] += first * x[1] + second * x[3] + third * x[5];
                d2[c] += first * x[2] + second * x[4] + third * x[6];
                x0 += first * w0[c];
                x1 += first * w1[c];
                x2 += first * w2[c] + second * w0[c];
                x3 += second * w1[c];
                x4 += second * w2[c] + third * w0[c];
                x5 += third * w1[c];
                x6 += third * w2[c];
            }
            if (frames_grad) {
                const float sums[] = {x0, x1, x2, x3, x4, x5, x6};
                for (int i = 0; i < 7; ++i) frames_grad[frame * width + 4 * place + i] += sums[i];
            }
        }
}

// Pooling and ReLU of a convolution's values, `width` positions a frame, to which the bias is still to be added.
void pool(const Value* values, long n_frames, long width, const float* bias, long channels, long pooled_width,
          long rows, Value* pooled, int8_t* winner) {
    for (long frame = 0; frame < n_frames; ++frame)
        for (long place = 0; place < pooled_width; ++place) {
            const Value* first = values + (frame * width + 2 * place) * channels;
            const Value *second = first + channels, *third = second + channels;
            Value* out = pooled + (frame * rows + place) * channels;
            int8_t* won = winner + (frame * rows + place) * channels;
#pragma GCC ivdep
            for (long c = 0; c < channels; ++c) {
                const auto [value, which] = pool_three(first[c], second[c], third[c], bias[c]);
                out[c] = value;
                won[c] = which;
            }
        }
}

// Gradients of the same; that of the bias is added.
void pool_gradient(const Value* pooled_grad, const int8_t* winner, long n_frames, long width, long channels,
                   long pooled_width, long rows, Value* values_grad, float* bias_grad) {
    const std::vector<Value> nothing(channels);
    const std::vector<int8_t> nobody(channels, 0);
    for (long frame = 0; frame < n_frames; ++frame)
        for (long place = 0; place < width; ++place) {
            // An even position is the first under one window and the third under the one before.
            const long here = place / 2, before = here - 1;
            const bool has_here = here < pooled_width, has_before = before >= 0 && before < pooled_width;
            const long here_at = (frame * rows + here) * channels, before_at = (frame * rows + before) * channels;
            const Value* grad = has_here ? pooled_grad + here_at : nothing.data();
            const int8_t* won = has_here ? winner + here_at : nobody.data();
            const Value* other_grad = has_before ? pooled_grad + before_at : nothing.data();
            const int8_t* other_won = has_before ? winner + before_at : nobody.data();
            Value* out = values_grad + (frame * width + place) * channels;
            if (place % 2)
                for (long c = 0; c < channels; ++c) out[c] = won[c] == 2 ? float(grad[c]) : 0;
            else
                for (long c = 0; c < channels; ++c)
                    out[c] = (won[c] == 1 ? float(grad[c]) : 0) + (other_won[c] == 3 ? float(other_grad[c]) : 0);
            for (long c = 0; c < channels; ++c) bias_grad[c] += out[c];
        }
}

// GRU steps, eq. (4) to (7): inputs [frame, direction, batch, 3 hidden], weight [direction, hidden, 3 hidden],
// bias [direction, 3 hidden], states [frame + 1, direction, batch, hidden] of which the first is given;
// gates (reset, update), new and recalled are kept for the gradient. `hidden` is a multiple of 16.
void recur(const float* inputs, const float* weight, const float* bias, long n_frames, long directions, long batch,
           long hidden, float* states, float* gates, float* fresh, float* recalled) {
    const long size = 3 * hidden;
    std::vector<float> part(batch * size);
    for (long step = 0; step < n_frames * directions; ++step) {
        const long direction = step % directions;
        const float* before = states + step * batch * hidden;
        float* after = states + (step + directions) * batch * hidden;
        multiply(before, hidden, batch, hidden, weight + direction * hidden * size, size, bias + direction * size,
                 part.data());
        for (long row = 0; row < batch; ++row) {
            const long at = step * batch + row;
            const float *in = inputs + at * size, *own = part.data() + row * size, *held = before + row * hidden;
            float *reset = gates + at * 2 * hidden, *update = reset + hidden;
            float *candidate = fresh + at * hidden, *recall = recalled + at * hidden, *out = after + row * hidden;
#pragma GCC ivdep
            for (long j = 0; j < hidden; ++j) {
                reset[j] = sigmoid(in[j] + own[j]);
                update[j] = sigmoid(in[hidden + j] + own[hidden + j]);
                recall[j] = own[2 * hidden + j];
                candidate[j] = 2 * sigmoid(2 * (in[2 * hidden + j] + reset[j] * recall[j])) - 1;  // tanh
                out[j] = candidate[j] + update[j] * (held[j] - candidate[j]);
            }
        }
    }
}

// Gradients of the inputs and of what the states gave to the gates, from those of the states
// [frame, direction, batch, hidden]; the weight comes transposed, [direction, 3 hidden, hidden].
void recur_gradient(const float* state_grads, const float* transposed, const float* states, const float* gates,
                    const float* fresh, const float* recalled, long n_frames, long directions, long batch,
                    long hidden, float* input_grads, float* hidden_grads) {
    const long size = 3 * hidden;
    std::vector<float> carried(directions * batch * hidden, 0.0f), part(batch * hidden);
    for (long step = n_frames * directions - 1; step >= 0; --step) {
        const long direction = step % directions;
        float* carry = carried.data() + direction * batch * hidden;
        for (long row = 0; row < batch; ++row) {
            const long at = step * batch + row;
            const float *grad = state_grads + at * hidden, *held = states + at * hidden;
            const float *reset = gates + at * 2 * hidden, *update = reset + hidden;
            const float *candidate = fresh + at * hidden, *recall = recalled + at * hidden;
            float *to_input = input_grads + at * size, *to_hidden = hidden_grads + at * size;
            float* kept = carry + row * hidden;
#pragma GCC ivdep
            for (long j = 0; j < hidden; ++j) {
                const float whole = grad[j] + kept[j], rest = 1 - update[j];
                const float to_new = whole * rest * (1 - candidate[j] * candidate[j]);
                const float to_reset = to_new * recall[j] * reset[j] * (1 - reset[j]);
                const float to_update = whole * (held[j] - candidate[j]) * update[j] * rest;
                to_input[j] = to_hidden[j] = to_reset;
                to_input[hidden + j] = to_hidden[hidden + j] = to_update;
                to_input[2 * hidden + j] = to_new;
                to_hidden[2 * hidden + j] = to_new * reset[j];
                kept[j] = whole * update[j];
            }
        }
        multiply(hidden_grads + step * batch * size, size, batch, size, transposed + direction * size * hidden,
                 hidden, nullptr, part.data());
        for (long i = 0; i < batch * hidden; ++i) carry[i] += part[i];
    }
}
}

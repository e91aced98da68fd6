#version 450
// The activations T1 [m, k] of a product by packed 8-bit integers, rounded as
// ops.ActivationRounder says: blocks of 32 become codes q and a step d, the largest magnitude
// by 127. T0 gets the codes of all blocks, four in a word, and after them for each block d
// and the sum of its codes times d. Where a block is not finite, d is NaN; of numbers
// below float32's normal ones nothing is left.
layout(local_size_x_id = 0) in;
layout(set = 0, binding = 0, std430) writeonly buffer Y { uint y[]; };
layout(set = 0, binding = 1, std430) readonly buffer X { float x[]; };
layout(set = 1, binding = 0, std140) uniform P {
	uint yo, xo;
	uint m, k, xr, xc; // strides of T1
} p;

void main() {
	const uint blocks = p.k / 32, all = p.m * blocks;
	for (uint b = gl_GlobalInvocationID.x; b < all; b += gl_NumWorkGroups.x * gl_WorkGroupSize.x) {
		const uint from = p.xo + b / blocks * p.xr + b % blocks * 32 * p.xc;
		float v[32];
		uint top = 0; // bits of a magnitude have the order of magnitudes, NaN above infinity
		for (uint i = 0; i < 32; i++) {
			v[i] = x[from + i * p.xc];
			top = max(top, floatBitsToUint(v[i]) & 0x7fffffffu);
		}
		const bool finite = top < 0x7f800000u && top >= 0x00800000u;
		const float largest = finite ? uintBitsToFloat(top) : 1;
		int sum = 0;
		for (uint w = 0; w < 8; w++) {
			uint word = 0;
			for (uint i = 0; i < 4; i++) {
				int q = finite ? int(roundEven(v[4 * w + i] / largest * 127)) : 0;
				sum += q;
				word |= (uint(q) & 0xffu) << (8 * i);
			}
			y[p.yo + 8 * b + w] = word;
		}
		const float d = finite ? largest / 127 : top < 0x00800000u ? 0 : uintBitsToFloat(0x7fc00000u);
		y[p.yo + 8 * all + 2 * b] = floatBitsToUint(d);
		y[p.yo + 8 * all + 2 * b + 1] = floatBitsToUint(d * sum);
	}
}

#version 450
#extension GL_GOOGLE_include_directive : require
// The activations T1 [m, k] of a product by cooperative matrices, rounded to f16: each
// row is scaled by the power of two that brings its largest magnitude to at least
// 2^9 and below 2^10, and rounded to nearest, ties to even. T0 gets the rows, two
// elements in a word, and after them for each row what brings its
// results back: the inverse power, or NaN where the row is not finite.
layout(local_size_x_id = 0) in;
layout(set = 0, binding = 0, std430) writeonly buffer Y { uint y[]; };
layout(set = 0, binding = 1, std430) readonly buffer X { float x[]; };
layout(set = 1, binding = 0, std140) uniform P {
	uint yo, xo;
	uint m, k, xr, xc; // strides of T1
} p;

shared uint largest[gl_WorkGroupSize.x];

// rounded returns the nearest number of 11 significant bits, so that what
// packHalf2x16 does with the others is no matter.
float rounded(float v) {
	uint b = floatBitsToUint(v);
	return uintBitsToFloat(b + 0xfffu + (b >> 13 & 1u) & 0xffffe000u);
}

void main() {
	const uint lane = gl_LocalInvocationID.x, lanes = gl_WorkGroupSize.x;
	for (uint row = gl_WorkGroupID.x; row < p.m; row += gl_NumWorkGroups.x) {
		const uint from = p.xo + row * p.xr;
		uint top = 0; // bits of a magnitude have the order of magnitudes, NaN above infinity
		for (uint i = lane; i < p.k; i += lanes)
			top = max(top, floatBitsToUint(x[from + i * p.xc]) & 0x7fffffffu);
		largest[lane] = top;
		for (uint stride = lanes / 2; stride > 0; stride /= 2) {
			barrier();
			if (lane < stride)
				largest[lane] = max(largest[lane], largest[lane + stride]);
		}
		barrier();
		top = largest[0];
		barrier();
		const int shift = clamp(136 - int(top >> 23), -126, 126);
		const float factor = uintBitsToFloat(uint(shift + 127) << 23);
		for (uint i = lane; i < p.k / 2; i += lanes) {
			const uint j = from + 2 * i * p.xc;
			vec2 v = vec2(0);
			if (top < 0x7f800000u)
				v = vec2(rounded(x[j] * factor), rounded(x[j + p.xc] * factor));
			y[p.yo + row * (p.k / 2) + i] = packHalf2x16(v);
		}
		if (lane == 0)
			y[p.yo + p.m * (p.k / 2) + row] = top < 0x7f800000u ? uint(127 - shift) << 23 : 0x7fc00000u;
	}
}

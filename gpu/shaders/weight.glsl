// What the products by frozen weights share: parameters, bindings, and a reader
// for each type of gpu/layout.go. One of the types' names is defined by //build.
//
// A row of a weight is read in chunks: what one invocation loads at a time. Chunk c
// of a row has QUADS times four neighbouring elements:
//
//	CHUNKS             chunks in one unit of plane 0 that a row has pitch of
//	Chunk chunk(r, c)  loads chunk c of row r, without computing
//	place(c, i)        the column of the first element of its quad i
//	quad(q, i)         the four numbers, to be multiplied by
//	factor(q, i)       which is 1 unless SCALED is defined
//	chunkOf(e), quadOf(e)  are the inverse of place, for e a multiple of 4
//
// Numbers are brought to float32 one by one before they are multiplied by
// activations, so that infinities among these come out as they should.

#if defined(Q8_0) || defined(Q4_0) || defined(IQ4_NL)
#define TWO_PLANES
#endif

layout(set = 1, binding = 0, std140) uniform P {
	uint yo, xo, wo;
#ifdef TWO_PLANES
	uint so;
#endif
	uint m, n, k;          // T0 is [m, n], sums have k terms
	uint cols, pitch;      // of the weight: elements and units (blocks, or elements) of a row
	uint ys, xr, xc;       // strides of T0's rows, T1's rows and columns
	uint accumulate;
	float scale;
	uint depth, slice;     // of a part of the sum: terms, and elements of its result
} p;

layout(set = 0, binding = 0, std430) buffer Y { float y[]; };
layout(set = 0, binding = 1, std430) readonly buffer X { float x[]; };
layout(set = 0, binding = 1, std430) readonly buffer X4 { vec4 x4[]; };
layout(set = 0, binding = 2, std430) readonly buffer W { uint w[]; };
layout(set = 0, binding = 2, std430) readonly buffer W2 { uvec2 w2[]; };
layout(set = 0, binding = 2, std430) readonly buffer W4 { uvec4 w4[]; };
#ifdef TWO_PLANES
layout(set = 0, binding = 3, std430) readonly buffer S { uint s[]; };

// scaleOf returns the scale of a block, counted from where the view begins.
float scaleOf(uint block) {
	uint i = p.so + block;
	return unpackHalf2x16(s[i >> 1] >> (16 * (i & 1))).x;
}
#endif

// bytes and signedBytes return the four bytes of a word as numbers.
vec4 bytes(uint v) { return vec4(v & 0xffu, v >> 8 & 0xffu, v >> 16 & 0xffu, v >> 24); }

vec4 signedBytes(uint v) {
	int i = int(v);
	return vec4(bitfieldExtract(i, 0, 8), bitfieldExtract(i, 8, 8), bitfieldExtract(i, 16, 8), i >> 24);
}

#if defined(IQ4_NL) || defined(IQ4_XS)
#include "codebook.glsl"

// values returns what the four codes that are the bytes of a word stand for.
vec4 values(uint v) { return vec4(codebookValue(v & 15u), codebookValue(v >> 8 & 15u), codebookValue(v >> 16 & 15u), codebookValue(v >> 24)); }
#endif

#if defined(F16) || defined(BF16)
#include "weight_float.glsl"
#elif defined(Q4_K) || defined(Q5_K)
#include "weight_k.glsl"
#elif defined(Q2_K) || defined(Q3_K) || defined(Q6_K)
#include "weight_k16.glsl"
#elif defined(IQ4_XS)
#include "weight_xs.glsl"
#else
#include "weight_blocks.glsl"
#endif

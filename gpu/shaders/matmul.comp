#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
//build: matmul_128 -DTILE=128 -DTM=8 -DTN=8
//build: matmul_64 -DTILE=64 -DTM=8 -DTN=4
//build: matmul_32 -DTILE=32 -DTM=4 -DTN=4
// T0 [batch, m, n] (+)= factor * T1 [batch, m, k] · T2 [batch, k, n], any strides: a
// workgroup computes a tile of TILE x TILE, an invocation TM x TN of it, for a part
// of k. Where k has several parts, z counts them too, each with an output of its own.
//
// Shared memory holds four successive k of a row of T1, or of a column of T2, as one
// vec4. A row's place is turned by its quad, so that neither the stores of
// invocations along k nor the loads of those along a row meet in a bank. While a
// tile is multiplied the next one is on its way into registers.
#include "tensor.glsl"
layout(constant_id = 1) const bool A_ALONG_K = true; // neighbours load along k, or along rows
layout(constant_id = 2) const bool B_ALONG_K = true;
layout(constant_id = 3) const bool A_QUADS = false;  // adjacent along k and aligned to 4
layout(constant_id = 4) const bool B_QUADS = false;

#define DEPTH 16 // of k at a time, four quads
#define ACROSS (TILE / TN)
#define DOWN (TILE / TM)
#define THREADS (ACROSS * DOWN) // constant 0
#define LOADS (TILE * DEPTH / 4 / THREADS)

layout(set = 0, binding = 0, std430) buffer Y { float y[]; };
TENSOR(1, readonly, a)
TENSOR(2, readonly, b)
layout(set = 1, binding = 0, std140) uniform P {
	uint yo, ao, bo;
	uint m, n, k, batch, chunk; // chunk: of k for each z / batch, a multiple of DEPTH
	uint yRow, yColumn, yNext;  // strides; that of z is yNext
	uint aRow, aK, aBatch;
	uint bColumn, bK, bBatch;
	float factor;
	uint add;
} p;

shared vec4 as[TILE * DEPTH / 4], bs[TILE * DEPTH / 4];

// LOADER defines what returns elements k to k+3 of a row (or column) of t that begins
// at an element; those from end on are 0.
#define LOADER(name, t, QUADS, stride)                       \
	vec4 name(uint start, uint k, uint end) {                \
		const uint at = start + k * stride;                  \
		if (k + 4 <= end) {                                  \
			if (QUADS) return t##4[at / 4];                  \
			return vec4(t[at], t[at + stride], t[at + 2 * stride], t[at + 3 * stride]); \
		}                                                    \
		vec4 v = vec4(0);                                    \
		if (k < end) v.x = t[at];                            \
		if (k + 1 < end) v.y = t[at + stride];               \
		if (k + 2 < end) v.z = t[at + 2 * stride];           \
		return v;                                            \
	}
LOADER(loadA, a, A_QUADS, p.aK)
LOADER(loadB, b, B_QUADS, p.bK)

// placeOf says which row and which quad an invocation's load i is.
uvec2 placeOf(bool alongK, uint i) {
	const uint id = gl_LocalInvocationID.x + i * THREADS;
	return alongK ? uvec2(id / 4, id % 4) : uvec2(id % TILE, id / TILE);
}

uint slot(uint row, uint quad) { return quad * TILE + (row ^ (2 * quad)); }

void main() {
	const uint row0 = gl_WorkGroupID.y * TILE, column0 = gl_WorkGroupID.x * TILE;
	const uint z = gl_WorkGroupID.z, item = z % p.batch;
	const uint from = z / p.batch * p.chunk, end = min(from + p.chunk, p.k);
	const uint tx = gl_LocalInvocationID.x % ACROSS, ty = gl_LocalInvocationID.x / ACROSS;

	// Rows beyond the last are read from the last; their results are not stored.
	uint aStart[LOADS], bStart[LOADS], aQuad[LOADS], bQuad[LOADS], aSlot[LOADS], bSlot[LOADS];
	[[unroll]] for (uint i = 0; i < LOADS; i++) {
		uvec2 at = placeOf(A_ALONG_K, i);
		aStart[i] = p.ao + item * p.aBatch + min(row0 + at.x, p.m - 1) * p.aRow;
		aQuad[i] = 4 * at.y;
		aSlot[i] = slot(at.x, at.y);
		at = placeOf(B_ALONG_K, i);
		bStart[i] = p.bo + item * p.bBatch + min(column0 + at.x, p.n - 1) * p.bColumn;
		bQuad[i] = 4 * at.y;
		bSlot[i] = slot(at.x, at.y);
	}

	float sum[TM][TN];
	[[unroll]] for (uint i = 0; i < TM; i++)
		[[unroll]] for (uint j = 0; j < TN; j++)
			sum[i][j] = 0;

	vec4 aNext[LOADS], bNext[LOADS];
	for (uint k = from;; k += DEPTH) {
		if (k < end) {
			[[unroll]] for (uint i = 0; i < LOADS; i++) {
				aNext[i] = loadA(aStart[i], k + aQuad[i], end);
				bNext[i] = loadB(bStart[i], k + bQuad[i], end);
			}
		}
		if (k > from) { // the tile before
			for (uint quad = 0; quad < DEPTH / 4; quad++) {
				const uint aAt = slot(ty, quad), bAt = slot(tx, quad);
				vec4 v[TN];
				[[unroll]] for (uint j = 0; j < TN; j++)
					v[j] = bs[bAt + j * ACROSS];
				[[unroll]] for (uint i = 0; i < TM; i++) {
					const vec4 u = as[aAt + i * DOWN];
					[[unroll]] for (uint j = 0; j < TN; j++)
						sum[i][j] = fma(u.w, v[j].w, fma(u.z, v[j].z, fma(u.y, v[j].y, fma(u.x, v[j].x, sum[i][j]))));
				}
			}
		}
		if (k >= end)
			break;
		barrier(); // the tile before has been read
		[[unroll]] for (uint i = 0; i < LOADS; i++) {
			as[aSlot[i]] = aNext[i];
			bs[bSlot[i]] = bNext[i];
		}
		barrier();
	}

	[[unroll]] for (uint i = 0; i < TM; i++) {
		const uint row = row0 + ty + i * DOWN;
		[[unroll]] for (uint j = 0; j < TN; j++) {
			const uint column = column0 + tx + j * ACROSS;
			if (row < p.m && column < p.n) {
				const uint at = p.yo + z * p.yNext + row * p.yRow + column * p.yColumn;
				const float value = p.factor * sum[i][j];
				y[at] = p.add != 0 ? y[at] + value : value;
			}
		}
	}
}

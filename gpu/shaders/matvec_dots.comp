#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
//build: matvec_dots
//build: matvec_dots_4 -DFOUR
// T0 [batch, m, n] (+)= factor * T1 [batch, m, k] · T2 [batch, k, n] for at most 8 rows,
// where T2 is adjacent along k: LANES neighbours read COLUMNS columns of T2 together,
// once for all rows.
#include "vector.glsl"
layout(local_size_x_id = 0) in;                  // 128
layout(constant_id = 1) const uint ROWS = 1;     // m or more, at most 8
layout(constant_id = 2) const uint COLUMNS = 2;  // of T2 at once, at most 2
layout(constant_id = 3) const uint LANES = 32;   // a power of two that divides the workgroup
layout(set = 0, binding = 0, std430) buffer Y { float y[]; };
layout(set = 0, binding = 1, std430) readonly buffer A { VECTOR a[]; };
layout(set = 0, binding = 2, std430) readonly buffer B { VECTOR b[]; };
layout(set = 1, binding = 0, std140) uniform P {
	uint yo, ao, bo;
	uint m, n, k, batch, chunk;
	uint yRow, yColumn, yNext;
	uint aRow, aK, aBatch;
	uint bColumn, bK, bBatch;
	float factor;
	uint add;
} p;

#define AHEAD 4 // loads of a column on their way at the same time
shared float part[16][128];
VECTOR sum[8][2];

// add adds the products of the rows at k with those of the columns.
void add(uint start, uint k, VECTOR v[2]) {
	[[unroll]] for (uint r = 0; r < ROWS; r++) {
		const VECTOR u = a[start + min(r, p.m - 1) * p.aRow / WIDTH + k * p.aK];
		[[unroll]] for (uint c = 0; c < COLUMNS; c++)
			sum[r][c] = fma(u, v[c], sum[r][c]);
	}
}

void main() {
	const uint id = gl_LocalInvocationID.x, lane = id % LANES, z = gl_WorkGroupID.z;
	const uint column0 = (gl_WorkGroupID.x * (gl_WorkGroupSize.x / LANES) + id / LANES) * COLUMNS;
	const uint from = z / p.batch * p.chunk, end = min(from + p.chunk, p.k) / WIDTH;
	const uint aStart = (p.ao + z % p.batch * p.aBatch) / WIDTH, bStart = (p.bo + z % p.batch * p.bBatch) / WIDTH;

	uint starts[2];
	[[unroll]] for (uint c = 0; c < COLUMNS; c++)
		starts[c] = bStart + min(column0 + c, p.n - 1) * p.bColumn / WIDTH;
	[[unroll]] for (uint r = 0; r < 8; r++)
		[[unroll]] for (uint c = 0; c < 2; c++)
			sum[r][c] = VECTOR(0);
	uint k = from / WIDTH + lane;
	for (; k + (AHEAD - 1) * LANES < end; k += AHEAD * LANES) {
		VECTOR v[AHEAD][2];
		[[unroll]] for (uint i = 0; i < AHEAD; i++)
			[[unroll]] for (uint c = 0; c < COLUMNS; c++)
				v[i][c] = b[starts[c] + (k + i * LANES) * p.bK];
		[[unroll]] for (uint i = 0; i < AHEAD; i++)
			add(aStart, k + i * LANES, v[i]);
	}
	for (; k < end; k += LANES) {
		VECTOR v[2];
		[[unroll]] for (uint c = 0; c < COLUMNS; c++)
			v[c] = b[starts[c] + k * p.bK];
		add(aStart, k, v);
	}

	[[unroll]] for (uint r = 0; r < ROWS; r++)
		[[unroll]] for (uint c = 0; c < COLUMNS; c++)
			part[r * COLUMNS + c][id] = across(sum[r][c]);
	for (uint distance = LANES / 2; distance > 0; distance /= 2) {
		barrier();
		if (lane < distance) {
			[[unroll]] for (uint i = 0; i < ROWS * COLUMNS; i++)
				part[i][id] += part[i][id + distance];
		}
	}
	barrier();
	if (lane < ROWS * COLUMNS) {
		const uint row = lane / COLUMNS, column = column0 + lane % COLUMNS;
		if (row < p.m && column < p.n) {
			const uint at = p.yo + z * p.yNext + row * p.yRow + column * p.yColumn;
			const float value = p.factor * part[lane][id - lane];
			y[at] = p.add != 0 ? y[at] + value : value;
		}
	}
}

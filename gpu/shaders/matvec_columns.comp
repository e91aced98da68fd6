#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
//build: matvec_columns
//build: matvec_columns_4 -DFOUR
// T0 [batch, m, n] (+)= factor * T1 [batch, m, k] · T2 [batch, k, n] for at most 8 rows,
// where T2 is adjacent along n: neighbours read along columns, four invocations apart
// every fourth k. z counts parts of k beside products, as in matmul.
#include "vector.glsl"
layout(local_size_x_id = 0) in;              // 128: 32 across, 4 along k
layout(constant_id = 1) const uint ROWS = 1; // m or more, at most 8
layout(set = 0, binding = 0, std430) buffer Y { float y[]; };
layout(set = 0, binding = 1, std430) readonly buffer A { float a[]; };
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

#define ACROSS 32
#define LAYERS 4
#define AHEAD 4 // loads of a column on their way at the same time
shared VECTOR part[8][LAYERS][ACROSS];
VECTOR sum[8];

// add adds the products of the rows' elements at k with the columns' there.
void add(uint start, uint k, VECTOR v) {
	[[unroll]] for (uint r = 0; r < ROWS; r++)
		sum[r] = fma(VECTOR(a[start + min(r, p.m - 1) * p.aRow + k * p.aK]), v, sum[r]);
}

float lane(vec4 v, uint i) { return i < 2 ? (i < 1 ? v.x : v.y) : (i < 3 ? v.z : v.w); }
float lane(float v, uint i) { return v; }

void main() {
	const uint tx = gl_LocalInvocationID.x % ACROSS, layer = gl_LocalInvocationID.x / ACROSS;
	const uint z = gl_WorkGroupID.z, item = z % p.batch;
	const uint from = z / p.batch * p.chunk, end = min(from + p.chunk, p.k);
	const uint column = (gl_WorkGroupID.x * ACROSS + tx) * WIDTH;
	// Columns beyond the last are read from the last; nothing is stored of them.
	const uint start = (p.bo + item * p.bBatch + min(column, p.n - WIDTH) * p.bColumn) / WIDTH;

	const uint rows = p.ao + item * p.aBatch;
	[[unroll]] for (uint r = 0; r < 8; r++)
		sum[r] = VECTOR(0);
	uint k = from + layer;
	for (; k + (AHEAD - 1) * LAYERS < end; k += AHEAD * LAYERS) {
		VECTOR v[AHEAD];
		[[unroll]] for (uint i = 0; i < AHEAD; i++)
			v[i] = b[start + (k + i * LAYERS) * p.bK / WIDTH];
		[[unroll]] for (uint i = 0; i < AHEAD; i++)
			add(rows, k + i * LAYERS, v[i]);
	}
	for (; k < end; k += LAYERS)
		add(rows, k, b[start + k * p.bK / WIDTH]);

	[[unroll]] for (uint r = 0; r < ROWS; r++)
		part[r][layer][tx] = sum[r];
	barrier();
	for (uint row = layer; row < p.m; row += LAYERS) {
		const VECTOR total = (part[row][0][tx] + part[row][1][tx]) + (part[row][2][tx] + part[row][3][tx]);
		[[unroll]] for (uint i = 0; i < WIDTH; i++)
			if (column + i < p.n) {
				const uint at = p.yo + z * p.yNext + row * p.yRow + (column + i) * p.yColumn;
				const float value = p.factor * lane(total, i);
				y[at] = p.add != 0 ? y[at] + value : value;
			}
	}
}

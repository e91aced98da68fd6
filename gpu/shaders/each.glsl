// The loop of kernels that compute each element from those at the same place of other
// tensors: four at a time where ALIGNED, which the kernel defines, and one at a time
// where not and at the end. The kernel writes
//
//	TENSOR(0, writeonly, y)                   binding 0, as float y[] and vec4 y4[]
//	uniform P { uint yo, ...; uint len; } p;  the offset of y is called yo
//	void element(uint i, bool quad)           elements i to i+3, or element i, by LOAD and STORE
//
// and then includes this file. TENSOR, LOAD and STORE are those of tensor.glsl.
void main() {
	uint id = gl_GlobalInvocationID.x, all = gl_NumWorkGroups.x * gl_WorkGroupSize.x;
	uint done = 0;
	if (ALIGNED) {
		done = p.len & ~3u;
		for (uint i = id; i < done / 4; i += all)
			element(4 * i, true);
	}
	for (uint i = done + id; i < p.len; i += all)
		element(i, false);
}

// Sums and maxima over a workgroup, which all its invocations get. The size is a
// multiple of 16 and at most 256. With SUBGROUP defined, subgroups of any size
// do the first step; otherwise shared memory does everything. The order of the
// additions depends on nothing but sizes.
#ifdef SUBGROUP
#extension GL_KHR_shader_subgroup_arithmetic : require
// How many values are left after the first step.
#define REDUCE_LEFT gl_NumSubgroups
#define REDUCE_FIRST(PART, OPERATION, WITHIN) \
	value = WITHIN(value);                    \
	if (gl_SubgroupInvocationID == 0)         \
		PART[gl_SubgroupID] = value;
#else
#define REDUCE_LEFT 16
#define REDUCE_FIRST(PART, OPERATION, WITHIN)                      \
	PART[gl_LocalInvocationIndex] = value;                         \
	barrier();                                                     \
	if (gl_LocalInvocationIndex < 16) {                            \
		for (uint i = gl_LocalInvocationIndex + 16; i < gl_WorkGroupSize.x; i += 16) \
			value = OPERATION(value, PART[i]);                     \
		PART[gl_LocalInvocationIndex] = value;                     \
	}
#endif

// REDUCTION defines a function NAME of one TYPE: all invocations call it together.
#define REDUCTION(NAME, TYPE, OPERATION, WITHIN)        \
	shared TYPE NAME##Part[256];                        \
	TYPE NAME(TYPE value) {                             \
		barrier(); /* the last call may still be read */ \
		REDUCE_FIRST(NAME##Part, OPERATION, WITHIN)     \
		barrier();                                      \
		value = NAME##Part[0];                          \
		for (uint i = 1; i < REDUCE_LEFT; i++)          \
			value = OPERATION(value, NAME##Part[i]);    \
		return value;                                   \
	}

#define PLUS(a, b) ((a) + (b))

layout(local_size_x_id = 0) in;

// Tensors that are read and written one element or four at a time, see each.glsl.
// A single element travels in all four lanes; what is computed in three of them
// for nothing is removed by the compiler, as quad is a constant where it is used.
layout(local_size_x_id = 0) in;

#define TENSOR(number, access, t) \
	layout(set = 0, binding = number, std430) access buffer One_##t { float t[]; }; \
	layout(set = 0, binding = number, std430) access buffer Four_##t { vec4 t##4[]; };

#define LOAD(t, at) (quad ? t##4[(p.t##o + (at)) / 4] : vec4(t[p.t##o + (at)]))

#define STORE(t, at, value) \
	if (quad) t##4[(p.t##o + (at)) / 4] = value; \
	else t[p.t##o + (at)] = (value).x

#version 450
// sum[i] = scale * (a[i] + b[i]) + offset for i < n, where scale is a constant of
// the pipeline. glslc --target-env=vulkan1.1 -O add.comp -o add.spv
layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint scale = 1;
layout(set = 0, binding = 0, std430) readonly buffer A { float a[]; };
layout(set = 0, binding = 1, std430) readonly buffer B { float b[]; };
layout(set = 0, binding = 2, std430) writeonly buffer Sum { float sum[]; };
layout(set = 1, binding = 0, std140) uniform Parameters { uint n; float offset; };
void main() {
  uint i = gl_GlobalInvocationID.x;
  if (i < n) sum[i] = float(scale) * (a[i] + b[i]) + offset;
}

#!/bin/sh
# Runs tests with cooperative matrices without a graphics card: with the software
# device of Mesa 26 and the validation layer of Debian's unstable distribution, in a root of their own.
# Optional, and no part of any check, since that distribution changes from day to day.
# It needs root (chroot), apt of a Debian system, and 600 MB:
#
#	gpu/shaders/build/sid.sh                                   makes the root, runs the tests of cooperative matrices
#	gpu/shaders/build/sid.sh -test.run 'TestConformance$' -test.v    other arguments of the test binary
#
# SID says where the root is to be (default /tmp/sid). The newer glslang that
# shaders marked tool=glslang need is then $SID/glslang:
#
#	go run ./gpu/shaders/build -glslang /tmp/sid/glslang
set -eu
sid=${SID:-/tmp/sid}
root=$sid/root
if [ ! -x "$root/usr/bin/glslang" ]; then
	mkdir -p "$sid/state/lists/partial" "$sid/cache/archives/partial" "$sid/none" "$root"
	echo 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian sid main' >"$sid/sources.list"
	# An apt with a state of its own: nothing is installed in the system.
	apt() {
		apt-get -q -o Dir::State="$sid/state" -o Dir::State::status=/dev/null -o Dir::Cache="$sid/cache" \
			-o Dir::Etc::sourcelist="$sid/sources.list" -o Dir::Etc::sourceparts="$sid/none" \
			-o Dir::Etc::preferencesparts="$sid/none" -o APT::Sandbox::User=root "$@"
	}
	apt update
	apt -y --no-install-recommends -d -t sid install mesa-vulkan-drivers libvulkan1 glslang-tools vulkan-validationlayers
	for package in "$sid"/cache/archives/*.deb; do
		dpkg-deb --fsys-tarfile "$package" | tar -x --keep-directory-symlink -C "$root"
	done
	for dir in lib lib64 bin; do
		[ -e "$root/$dir" ] || ln -s "usr/$dir" "$root/$dir"
	done
	mkdir -p "$root/tmp" "$root/dev" "$root/w"
	[ -e "$root/dev/null" ] || mknod -m 666 "$root/dev/null" c 1 3
fi
cat >"$sid/glslang" <<END
#!/bin/sh
exec $root/lib64/ld-linux-x86-64.so.2 --library-path $root/usr/lib/x86_64-linux-gnu $root/usr/bin/glslang "\$@"
END
chmod +x "$sid/glslang"
[ $# -gt 0 ] || set -- -test.v -test.run 'TestCooperativeMatrices'
CGO_ENABLED=${CGO_ENABLED:-0} go test -c -o "$root/w/gpu.test" ./gpu
VK_DRIVER_FILES=/usr/share/vulkan/icd.d/lvp_icd.json NETLLM_REQUIRE_DATA=1 exec chroot "$root" /w/gpu.test "$@"

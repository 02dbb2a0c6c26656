"""What Debian's own checker says of the package."""
import subprocess

from conftest import need

NOT_HERE = ("uses-no-compression-for-control-tarball", "uses-no-compression-for-data-tarball")  # saves time in tests


def test_lintian_finds_no_error_and_nothing_to_warn_of(package):
    need("lintian")
    done = subprocess.run(["lintian", "--no-cfg", "--allow-root", "--suppress-tags", ",".join(NOT_HERE), str(package)],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=250)
    said = [line for line in done.stdout.splitlines() if line.startswith(("E:", "W:"))]
    assert (said, done.returncode) == ([], 0), done.stdout

"""Folders of an instance on file systems of their own, which are small and can be filled. In a private mount namespace: nobody else
sees them, and they end with the process."""
import ctypes
import os
import subprocess

CLONE_NEWNS = 0x00020000


def private_mounts():
    """False when this process may not have them."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNS) != 0:
        return False
    return subprocess.run(["mount", "--make-rprivate", "/"]).returncode == 0


class SmallDisk:
    """The folder's content moves to a file system of that size. The server must be stopped."""

    def __init__(self, folder, size):
        self.folder, self.ballast = str(folder), str(folder) + "/ballast"
        kept = self.folder + ".before"
        os.rename(self.folder, kept)
        os.mkdir(self.folder)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%s" % size, "tmpfs", self.folder], check=True)
        subprocess.run(["cp", "-a", kept + "/.", self.folder], check=True)

    def left(self):
        st = os.statvfs(self.folder)
        return st.f_bavail * st.f_frsize

    def fill(self, but=0):
        """All but so many octets are taken."""
        fd = os.open(self.ballast, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            for block in 1 << 20, 1 << 12:
                while self.left() - but >= block:
                    try:
                        os.posix_fallocate(fd, os.fstat(fd).st_size, min(block * max(1, (self.left() - but) // block), 1 << 30))
                    except OSError:
                        break
        finally:
            os.close(fd)

    def free(self):
        if os.path.exists(self.ballast):
            os.unlink(self.ballast)

    def close(self):
        subprocess.run(["umount", "-l", self.folder])

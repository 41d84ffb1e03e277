using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace ManyHands.Platform;

/// <summary>Files that must be exactly what they should be: opened without following links, looked at by their descriptors.</summary>
internal static unsafe partial class Linux
{
    public const int ErrorNoEntry = 2;
    public const int ErrorNoProcess = 3;
    public const int ErrorNoDevice = 6;
    public const int ErrorNoChild = 10;
    public const int ErrorAccess = 13;
    public const int ErrorExists = 17;
    public const int ErrorNotDirectory = 20;
    public const int ErrorInvalid = 22;
    public const int ErrorLoop = 40;

    public const int OpenCreate = 0x40;
    public const int OpenExclusive = 0x80;

    /// <summary>A descriptor to look at the file with; it can neither read nor write, and its end ends no locks.</summary>
    public const int OpenPathOnly = 0x200000;

    private const int CurrentDirectory = -100;
    private const int RemoveDirectoryFlag = 0x200;
    private const int EmptyPath = 0x1000;
    private const int BasicStatistics = 0x7FF;
    private const int LockExclusively = 2;
    private const int LockAtOnce = 4;

    // These two differ by architecture.
    public static readonly int OpenDirectory = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 0x10000 : 0x4000;
    public static readonly int OpenNoFollow = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 0x20000 : 0x8000;

    private static readonly long StatusNumber = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 332 : 291;

    /// <summary>Opens a file relative to a directory; null if the system refuses, for the reason in <paramref name="error"/>.</summary>
    public static SafeFileHandle? TryOpenAt(SafeFileHandle? directory, string path, int flags, uint mode, out int error)
    {
        fixed (byte* text = Encoding.UTF8.GetBytes(path + "\0"))
        {
            int descriptor = OpenAt(directory is null ? CurrentDirectory : (int)directory.DangerousGetHandle(), text, flags | OpenCloseOnExec, mode);
            error = descriptor < 0 ? Marshal.GetLastPInvokeError() : 0;
            GC.KeepAlive(directory);
            return descriptor < 0 ? null : new SafeFileHandle(descriptor, ownsHandle: true);
        }
    }

    /// <summary>What a link leads to; null if the system doesn't say, for the reason in <paramref name="error"/>. Needs no descriptor.</summary>
    public static string? TryReadLink(string path, out int error)
    {
        const int LongestPath = 4096;
        byte* target = stackalloc byte[LongestPath];
        fixed (byte* text = Encoding.UTF8.GetBytes(path + "\0"))
        {
            nint length = ReadLink(text, target, LongestPath);
            error = length < 0 ? Marshal.GetLastPInvokeError() : 0;
            return length < 0 ? null : Encoding.UTF8.GetString(target, (int)length);
        }
    }

    /// <summary>Makes a directory that only this user can enter.</summary>
    /// <returns>0 or the error.</returns>
    public static int MakeDirectory(string path)
    {
        const uint Mode = 0x1C0;
        fixed (byte* text = Encoding.UTF8.GetBytes(path + "\0"))
            return MakeDirectory(text, Mode) == 0 ? 0 : Marshal.GetLastPInvokeError();
    }

    /// <summary>Does nothing if there is no such file.</summary>
    public static void Unlink(SafeFileHandle directory, string name)
    {
        fixed (byte* text = Encoding.UTF8.GetBytes(name + "\0"))
            _ = UnlinkAt((int)directory.DangerousGetHandle(), text, 0);
        GC.KeepAlive(directory);
    }

    /// <summary>Does nothing if there is something in it.</summary>
    public static void RemoveDirectory(string path)
    {
        fixed (byte* text = Encoding.UTF8.GetBytes(path + "\0"))
            _ = UnlinkAt(CurrentDirectory, text, RemoveDirectoryFlag);
    }

    /// <summary>Locks the open file against all others that lock it, also of this process, until it is closed; the end of the process closes it.</summary>
    /// <returns>False if somebody else has locked it.</returns>
    public static bool TryLockFile(SafeFileHandle file)
    {
        while (FileLock((int)file.DangerousGetHandle(), LockExclusively | LockAtOnce) != 0)
        {
            int error = Marshal.GetLastPInvokeError();
            if (error == ErrorAgain)
                return false;
            if (error != ErrorInterrupted)
                throw Failure("flock", error);
        }

        GC.KeepAlive(file);
        return true;
    }

    public static FileStatus Status(SafeFileHandle file)
    {
        FileStatus status;
        byte empty = 0;
        if (SystemCallOnFile(StatusNumber, file.DangerousGetHandle(), &empty, EmptyPath, BasicStatistics, &status) != 0)
            throw Failure("statx", Marshal.GetLastPInvokeError());
        GC.KeepAlive(file);
        return status;
    }

    [LibraryImport("libc", EntryPoint = "geteuid")]
    public static partial uint EffectiveUser();

    [LibraryImport("libc", EntryPoint = "openat", SetLastError = true)]
    private static partial int OpenAt(int directory, byte* path, int flags, uint mode);

    [LibraryImport("libc", EntryPoint = "readlink", SetLastError = true)]
    private static partial nint ReadLink(byte* path, byte* target, nint size);

    [LibraryImport("libc", EntryPoint = "mkdir", SetLastError = true)]
    private static partial int MakeDirectory(byte* path, uint mode);

    [LibraryImport("libc", EntryPoint = "unlinkat", SetLastError = true)]
    private static partial int UnlinkAt(int directory, byte* path, int flags);

    [LibraryImport("libc", EntryPoint = "flock", SetLastError = true)]
    private static partial int FileLock(int file, int operation);

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    private static partial long SystemCallOnFile(long number, long file, byte* path, long flags, long mask, FileStatus* status);

    /// <summary>Which file it is, and its last change: differs from an earlier one if somebody has written into the file since, or made another.</summary>
    public readonly record struct FileVersion(ulong Inode, long Seconds, uint Nanoseconds);

    /// <summary>The part of <c>struct statx</c> that is looked at; it is the same on all architectures.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    public struct FileStatus
    {
        private const int KindMask = 0xF000;
        private const int DirectoryKind = 0x4000;
        private const int RegularKind = 0x8000;
        private const int SocketKind = 0xC000;
        private const int OthersMask = 0x3F;

        /// <summary>How many names it has; none when it was deleted.</summary>
        [FieldOffset(16)]
        public uint Links;

        [FieldOffset(20)]
        public uint Owner;

        [FieldOffset(28)]
        public ushort Mode;

        [FieldOffset(32)]
        private readonly ulong inode;

        [FieldOffset(112)]
        private readonly long modifiedSeconds;

        [FieldOffset(120)]
        private readonly uint modifiedNanoseconds;

        public readonly FileVersion Version => new(inode, modifiedSeconds, modifiedNanoseconds);

        public readonly bool IsDirectory => (Mode & KindMask) == DirectoryKind;

        public readonly bool IsRegular => (Mode & KindMask) == RegularKind;

        public readonly bool IsSocket => (Mode & KindMask) == SocketKind;

        /// <summary>Whether anybody but its owner may do anything with it.</summary>
        public readonly bool IsOpenToOthers => (Mode & OthersMask) != 0;
    }
}

using System.Runtime.InteropServices;

namespace ManyHands.Platform;

/// <summary>The system calls that .NET has no method for. Linux only; constants are those of every Linux architecture that .NET runs on.</summary>
internal static unsafe partial class Linux
{
    public const int Sigint = 2;
    public const int Sigkill = 9;
    public const int Sigterm = 15;
    public const int Sigcont = 18;

    public const int ErrorInterrupted = 4;
    public const int ErrorAgain = 11;

    public const int OpenReadOnly = 0;
    private const int OpenNonBlocking = 0x800;
    public const int OpenCloseOnExec = 0x80000;

    public const int SocketFamilyUnix = 1;
    public const int SocketStream = 1;
    public const int SocketCloseOnExec = 0x80000;

    public const int EpollAdd = 1;
    public const int EpollDelete = 2;
    public const uint EpollReadable = 1;
    public const int EpollCloseOnExec = 0x80000;

    public const short PollReadable = 1;

    public const int WaitByPidfd = 3;
    public const int WaitNoHang = 1;
    public const int WaitExited = 4;
    public const int WaitKeepWaitable = 0x01000000;

    public const int ChildExited = 1;

    public const short SpawnSetProcessGroup = 0x02;
    public const short SpawnSetSignalDefaults = 0x04;
    public const short SpawnSetSignalMask = 0x08;

    private const int DuplicateCloseOnExec = 1030;
    private const int SetDescriptorFlags = 2;
    private const int SetStatusFlags = 4;
    private const int CloseOnExecFlag = 1;
    private const int SetParentDeathSignal = 1;
    private const ulong CountUnread = 0x541B;
    private const long PidfdOpenNumber = 434;
    private const long PidfdSendSignalNumber = 424;

    /// <summary>A descriptor that becomes readable when the process ends.</summary>
    public static int PidfdOpen(int pid) => Check((int)SystemCall(PidfdOpenNumber, pid, 0, 0, 0), "pidfd_open");

    /// <summary>Sends a signal to exactly that process, never to one that got its number later. False if it has ended.</summary>
    public static bool PidfdSignal(int pidfd, int signal) => SystemCall(PidfdSendSignalNumber, pidfd, signal, 0, 0) == 0;

    /// <summary>The same descriptor under a number of at least <paramref name="lowest"/>, closed on exec.</summary>
    public static int DuplicateAbove(int descriptor, int lowest) => Check(Control(descriptor, DuplicateCloseOnExec, lowest), "fcntl");

    public static void CloseOnExec(int descriptor) => Check(Control(descriptor, SetDescriptorFlags, CloseOnExecFlag), "fcntl");

    public static void SetNonBlocking(int descriptor) => Check(Control(descriptor, SetStatusFlags, OpenNonBlocking), "fcntl");

    /// <summary>How many bytes wait unread in a pipe; works at either of its ends.</summary>
    public static int Unread(int pipe)
    {
        int count = 0;
        return DeviceControl(pipe, CountUnread, &count) < 0 ? 0 : count;
    }

    /// <summary>Asks for a signal when the thread that started this process ends, which it does with its process at the latest.</summary>
    public static void SignalOnParentDeath(int signal) => ProcessControl(SetParentDeathSignal, (ulong)signal, 0, 0, 0);

    public static int Check(int result, string call)
    {
        if (result < 0)
            throw Failure(call, Marshal.GetLastPInvokeError());
        return result;
    }

    public static IOException Failure(string call, int error) =>
        new($"{call} failed: {Marshal.GetPInvokeErrorMessage(error)} (errno {error}).");

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    private static partial long SystemCall(long number, long first, long second, long third, long fourth);

    [LibraryImport("libc", EntryPoint = "fcntl", SetLastError = true)]
    private static partial int Control(int descriptor, int command, int argument);

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    private static partial int DeviceControl(int descriptor, ulong request, int* argument);

    [LibraryImport("libc", EntryPoint = "prctl", SetLastError = true)]
    private static partial int ProcessControl(int option, ulong first, ulong second, ulong third, ulong fourth);

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    public static partial int Close(int descriptor);

    [LibraryImport("libc", EntryPoint = "read", SetLastError = true)]
    public static partial nint Read(int descriptor, byte* buffer, nint count);

    [LibraryImport("libc", EntryPoint = "pipe2", SetLastError = true)]
    public static partial int Pipe(int* descriptors, int flags);

    [LibraryImport("libc", EntryPoint = "socketpair", SetLastError = true)]
    public static partial int SocketPair(int family, int type, int protocol, int* descriptors);

    [LibraryImport("libc", EntryPoint = "poll", SetLastError = true)]
    public static partial int Poll(PollDescriptor* descriptors, nuint count, int milliseconds);

    [LibraryImport("libc", EntryPoint = "epoll_create1", SetLastError = true)]
    public static partial int EpollCreate(int flags);

    [LibraryImport("libc", EntryPoint = "epoll_ctl", SetLastError = true)]
    public static partial int EpollControl(int epoll, int operation, int descriptor, byte* change);

    [LibraryImport("libc", EntryPoint = "epoll_wait", SetLastError = true)]
    public static partial int EpollWait(int epoll, byte* events, int most, int milliseconds);

    [LibraryImport("libc", EntryPoint = "waitid", SetLastError = true)]
    public static partial int WaitId(int kind, uint id, ChildInformation* information, int options);

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    public static partial int Kill(int pid, int signal);

    [LibraryImport("libc", EntryPoint = "getppid")]
    public static partial int ParentId();

    [LibraryImport("libc", EntryPoint = "getpgid")]
    public static partial int ProcessGroup(int pid);

    [LibraryImport("libc", EntryPoint = "signal", SetLastError = true)]
    public static partial nint SetSignalHandler(int signal, nint handler);

    [LibraryImport("libc", EntryPoint = "posix_spawn")]
    public static partial int Spawn(int* pid, byte* path, byte* actions, byte* attributes, byte** arguments, byte** environment);

    [LibraryImport("libc", EntryPoint = "posix_spawn_file_actions_init")]
    public static partial int SpawnActionsInitialize(byte* actions);

    [LibraryImport("libc", EntryPoint = "posix_spawn_file_actions_destroy")]
    public static partial int SpawnActionsDestroy(byte* actions);

    [LibraryImport("libc", EntryPoint = "posix_spawn_file_actions_adddup2")]
    public static partial int SpawnActionsDuplicate(byte* actions, int from, int to);

    [LibraryImport("libc", EntryPoint = "posix_spawn_file_actions_addopen")]
    public static partial int SpawnActionsOpen(byte* actions, int descriptor, byte* path, int flags, uint mode);

    [LibraryImport("libc", EntryPoint = "posix_spawn_file_actions_addclosefrom_np")]
    public static partial int SpawnActionsCloseFrom(byte* actions, int lowest);

    [LibraryImport("libc", EntryPoint = "posix_spawn_file_actions_addchdir_np")]
    public static partial int SpawnActionsChangeDirectory(byte* actions, byte* path);

    [LibraryImport("libc", EntryPoint = "posix_spawnattr_init")]
    public static partial int SpawnAttributesInitialize(byte* attributes);

    [LibraryImport("libc", EntryPoint = "posix_spawnattr_destroy")]
    public static partial int SpawnAttributesDestroy(byte* attributes);

    [LibraryImport("libc", EntryPoint = "posix_spawnattr_setflags")]
    public static partial int SpawnAttributesSetFlags(byte* attributes, short flags);

    [LibraryImport("libc", EntryPoint = "posix_spawnattr_setsigmask")]
    public static partial int SpawnAttributesSetSignalMask(byte* attributes, byte* signals);

    [LibraryImport("libc", EntryPoint = "posix_spawnattr_setsigdefault")]
    public static partial int SpawnAttributesSetSignalDefaults(byte* attributes, byte* signals);

    [LibraryImport("libc", EntryPoint = "posix_spawnattr_setpgroup")]
    public static partial int SpawnAttributesSetProcessGroup(byte* attributes, int group);

    [StructLayout(LayoutKind.Sequential)]
    public struct PollDescriptor
    {
        public int Descriptor;
        public short Events;
        public short Happened;
    }

    /// <summary>The part of <c>siginfo_t</c> that waitid fills in; the whole is 128 bytes.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 128)]
    public struct ChildInformation
    {
        [FieldOffset(8)]
        public int Code;

        [FieldOffset(16)]
        public int Pid;

        [FieldOffset(24)]
        public int Status;
    }
}

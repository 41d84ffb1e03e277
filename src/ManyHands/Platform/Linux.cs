using System.Runtime.InteropServices;

namespace ManyHands.Platform;

/// <summary>The system calls that .NET has no method for. Linux only; constants are those of every Linux architecture that .NET runs on.</summary>
internal static unsafe partial class Linux
{
    public const int Sigint = 2;
    public const int Sigkill = 9;
    public const int Sigterm = 15;
    public const int Sigcont = 18;
    public const int Sigstop = 19;

    /// <summary>What to do where this process has no descriptor left.</summary>
    public const string MoreDescriptors = "Raise the limit (ulimit -n), or keep fewer files and sockets open.";

    public const int ErrorNotPermitted = 1;
    public const int ErrorInterrupted = 4;
    public const int ErrorAgain = 11;
    public const int ErrorTooManyFiles = 24;
    public const int ErrorBrokenPipe = 32;
    public const int ErrorNoSuchCall = 38;
    public const int ErrorTimedOut = 110;
    public const int ErrorConnectionReset = 104;

    public const int OpenReadOnly = 0;
    public const int OpenReadWrite = 2;
    public const int OpenNonBlocking = 0x800;
    private const int OpenAsynchronous = 0x2000;
    public const int OpenCloseOnExec = 0x80000;

    public const int SocketFamilyUnix = 1;
    public const int SocketStream = 1;
    public const int SocketCloseOnExec = 0x80000;

    public const int EpollAdd = 1;
    public const int EpollDelete = 2;
    public const uint EpollReadable = 1;
    public const int EpollCloseOnExec = 0x80000;

    private const short PollHangUp = 0x10;

    public const int WaitByPidfd = 3;
    public const int WaitNoHang = 1;
    public const int WaitExited = 4;
    public const int WaitKeepWaitable = 0x01000000;

    public const int ChildExited = 1;

    public const short SpawnSetProcessGroup = 0x02;
    public const short SpawnSetSignalDefaults = 0x04;
    public const short SpawnSetSignalMask = 0x08;

    public const int ProtectRead = 1;
    public const int ProtectWrite = 2;
    public const int MapShared = 1;
    public const int MapPrivate = 2;
    public const int MapFixed = 0x10;
    public const int MapAnonymous = 0x20;
    public const int MapNoReserve = 0x4000;

    /// <summary>Has the pages there for writing at once; from Linux 5.14, madvise(2).</summary>
    public const int AdvicePopulateWrite = 23;

    public const int SealSeal = 1;
    public const int SealShrink = 2;
    public const int SealGrow = 4;

    public const int SocketMessageNoSignal = 0x4000;
    public const int SocketMessageDontWait = 0x40;
    public const int SocketMessageControlCut = 0x8;
    public const int SocketMessageCloseOnExec = 0x40000000;

    // struct rusage: two times of two words each, then the peak in KiB, then others.
    private const int UsageWords = 32;
    private const int UsagePeakWord = 4;

    private const int AddSeals = 1033;
    private const int GetSeals = 1034;
    private const uint MemoryFileCloseOnExec = 1;
    private const uint MemoryFileAllowSealing = 2;
    private const int FutexWaitOperation = 0;
    private const int FutexWakeOperation = 1;
    public const int MostFutexes = 128;
    private const long FutexWaitAnyNumber = 449;
    private const int MonotonicClock = 1;
    private const long NanosecondsPerSecond = 1_000_000_000;
    private const int DuplicateCloseOnExec = 1030;
    private const int SetDescriptorFlags = 2;
    private const int SetStatusFlags = 4;
    private const int SetOwner = 8;
    private const int SetSignal = 10;
    private const int CloseOnExecFlag = 1;
    private const ulong CountUnread = 0x541B;
    private const long PidfdOpenNumber = 434;
    private const long PidfdSendSignalNumber = 424;

    /// <summary>A descriptor that becomes readable when the process ends.</summary>
    public static int PidfdOpen(int pid) => Check((int)SystemCall(PidfdOpenNumber, pid, 0, 0, 0), "pidfd_open");

    /// <summary>Whether a process has that number, be it one that waits to be reaped: false only if the system says that none has. Needs no descriptor.</summary>
    public static bool MayBeProcess(int id) => id > 0 && (SystemCall(SignalThreadNumber, id, id, 0, 0) == 0 || Marshal.GetLastPInvokeError() != ErrorNoProcess);

    /// <summary>Sends a signal to exactly that process, never to one that got its number later. False if it has ended.</summary>
    public static bool PidfdSignal(int pidfd, int signal) => SystemCall(PidfdSendSignalNumber, pidfd, signal, 0, 0) == 0;

    /// <summary>
    /// Makes the kernel kill a process group when the last writing end of a pipe is closed, which happens at its owner's end at the latest. Holds as long as
    /// anyone has the reading end.
    /// </summary>
    /// <remarks>Signals for descriptors: fcntl(2), F_SETSIG. Every signal may be chosen, and SIGKILL needs nobody's cooperation.</remarks>
    public static void KillGroupAtEnd(int readingEnd, int group)
    {
        Check(Control(readingEnd, SetSignal, Sigkill), "fcntl(F_SETSIG)");
        Check(Control(readingEnd, SetOwner, -group), "fcntl(F_SETOWN)");
        Check(Control(readingEnd, SetStatusFlags, OpenAsynchronous | OpenNonBlocking), "fcntl(F_SETFL)");
    }

    /// <summary>The same descriptor under a number of at least <paramref name="lowest"/>, closed on exec.</summary>
    public static int DuplicateAbove(int descriptor, int lowest) => Check(Control(descriptor, DuplicateCloseOnExec, lowest), "fcntl");

    /// <summary>The same; negative where so many descriptors aren't allowed.</summary>
    public static int TryDuplicateAbove(int descriptor, int lowest) => Control(descriptor, DuplicateCloseOnExec, lowest);

    public static void CloseOnExec(int descriptor) => Check(Control(descriptor, SetDescriptorFlags, CloseOnExecFlag), "fcntl");

    /// <summary>Anonymous memory behind a descriptor: nothing with a name that could be left behind or found by others. It can be sealed.</summary>
    public static int MemoryFile(string name)
    {
        fixed (byte* text = System.Text.Encoding.UTF8.GetBytes(name + "\0"))
            return Check(MemoryFileCreate(text, MemoryFileCloseOnExec | MemoryFileAllowSealing), "memfd_create");
    }

    public static void Seal(int descriptor, int seals) => Check(Control(descriptor, AddSeals, seals), "fcntl(F_ADD_SEALS)");

    /// <summary>The seals of anonymous memory; negative for a descriptor of anything else.</summary>
    public static int Seals(int descriptor) => Control(descriptor, GetSeals, 0);

    /// <summary>Sleeps while the word holds the value, until somebody wakes; may also return for no reason.</summary>
    public static void FutexWait(uint* word, uint value) => SystemCallOnWord(FutexNumber, word, FutexWaitOperation, value, 0, 0, 0);

    /// <summary>The same, for a time at most. It is longer by what the system rounds up and never shorter, unless the call returns for no reason.</summary>
    public static void FutexWait(uint* word, uint value, TimeSpan most)
    {
        KernelTime time = KernelTime.Of(most.Ticks * (NanosecondsPerSecond / TimeSpan.TicksPerSecond));
        SystemCallOnWord(FutexNumber, word, FutexWaitOperation, value, (nint)(&time), 0, 0);
    }

    /// <summary>How many were woken.</summary>
    public static int FutexWake(uint* word, int most) => (int)SystemCallOnWord(FutexNumber, word, FutexWakeOperation, (uint)most, 0, 0, 0);

    /// <summary>
    /// Sleeps while all words hold their values, until somebody wakes at one of them or the time has come; may also return for no reason. Linux 5.16 and later.
    /// </summary>
    /// <param name="count">At most <see cref="MostFutexes"/>.</param>
    /// <param name="due">In nanoseconds of the monotonic clock.</param>
    /// <returns>The number of a word at which somebody woke, or a negated error.</returns>
    public static int FutexWaitAny(FutexWaiter* waiters, int count, long due)
    {
        KernelTime time = KernelTime.Of(due);
        long result = SystemCallOnWords(FutexWaitAnyNumber, waiters, count, 0, &time, MonotonicClock);
        return result >= 0 ? (int)result : -Marshal.GetLastPInvokeError();
    }

    public static void SetNonBlocking(int descriptor) => Check(Control(descriptor, SetStatusFlags, OpenNonBlocking), "fcntl");

    /// <summary>Whether nobody holds the writing end of a pipe any more.</summary>
    public static bool IsAtEnd(int readingEnd)
    {
        PollDescriptor descriptor = new() { Descriptor = readingEnd };
        return Poll(&descriptor, 1, 0) > 0 && (descriptor.Happened & PollHangUp) != 0;
    }

    /// <summary>How many bytes wait unread in a pipe; works at either of its ends.</summary>
    public static int Unread(int pipe)
    {
        int count = 0;
        return DeviceControl(pipe, CountUnread, &count) < 0 ? 0 : count;
    }

    /// <summary>The most resident memory this process ever had, in bytes.</summary>
    public static long OwnPeakMemory()
    {
        long* usage = stackalloc long[UsageWords];
        return ResourceUsage(0, usage) == 0 ? usage[UsagePeakWord] * 1024 : 0;
    }

    /// <summary>Reaps a child that has ended, and says what the kernel counted as its most resident memory, in bytes.</summary>
    /// <remarks>What the kernel counts begins with the peak of the process that started it, whose memory it had for a moment.</remarks>
    public static long Reap(int pid)
    {
        long* usage = stackalloc long[UsageWords];
        int status;
        return WaitFor(pid, &status, WaitNoHang, usage) == pid ? usage[UsagePeakWord] * 1024 : 0;
    }

    public static int Check(int result, string call)
    {
        if (result < 0)
            throw Failure(call, Marshal.GetLastPInvokeError());
        return result;
    }

    public static IOException Failure(string call, int error) =>
        new($"{call} failed: {Marshal.GetPInvokeErrorMessage(error)} (errno {error}).{(error == ErrorTooManyFiles ? " " + MoreDescriptors : "")}");

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    private static partial long SystemCall(long number, long first, long second, long third, long fourth);

    // The numbers of older calls differ by architecture.
    private static readonly long FutexNumber = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 202 : 98;
    private static readonly long SignalThreadNumber = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 234 : 131;

    /// <summary>Whether the calls whose numbers differ by architecture are known for this one.</summary>
    public static bool IsKnownArchitecture => RuntimeInformation.ProcessArchitecture is Architecture.X64 or Architecture.Arm64;

    [LibraryImport("libc", EntryPoint = "syscall")]
    private static partial long SystemCallOnWord(long number, uint* word, long operation, long value, long timeout, long second, long third);

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    private static partial long SystemCallOnWords(long number, FutexWaiter* waiters, long count, long flags, KernelTime* due, long clock);

    [LibraryImport("libc", EntryPoint = "memfd_create", SetLastError = true)]
    private static partial int MemoryFileCreate(byte* name, uint flags);

    [LibraryImport("libc", EntryPoint = "posix_fallocate")]
    public static partial int Allocate(int descriptor, long offset, long length);

    [LibraryImport("libc", EntryPoint = "mmap", SetLastError = true)]
    public static partial byte* Map(byte* address, nuint length, int protection, int flags, int descriptor, long offset);

    [LibraryImport("libc", EntryPoint = "munmap", SetLastError = true)]
    public static partial int Unmap(byte* address, nuint length);

    [LibraryImport("libc", EntryPoint = "madvise")]
    public static partial int Advise(byte* address, nuint length, int advice);

    [LibraryImport("libc", EntryPoint = "lseek", SetLastError = true)]
    public static partial long Seek(int descriptor, long offset, int whence);

    [LibraryImport("libc", EntryPoint = "sched_yield")]
    public static partial int Yield();

    [LibraryImport("libc", EntryPoint = "sendmsg", SetLastError = true)]
    public static partial nint SendMessage(int socket, MessageHeader* message, int flags);

    [LibraryImport("libc", EntryPoint = "recvmsg", SetLastError = true)]
    public static partial nint ReceiveMessage(int socket, MessageHeader* message, int flags);

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true)]
    public static partial int Open(byte* path, int flags);

    [LibraryImport("libc", EntryPoint = "fcntl", SetLastError = true)]
    private static partial int Control(int descriptor, int command, int argument);

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    private static partial int DeviceControl(int descriptor, ulong request, int* argument);

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    public static partial int Close(int descriptor);

    [LibraryImport("libc", EntryPoint = "read", SetLastError = true)]
    public static partial nint Read(int descriptor, byte* buffer, nint count);

    [LibraryImport("libc", EntryPoint = "pipe2", SetLastError = true)]
    public static partial int Pipe(int* descriptors, int flags);

    [LibraryImport("libc", EntryPoint = "socketpair", SetLastError = true)]
    public static partial int SocketPair(int family, int type, int protocol, int* descriptors);

    [LibraryImport("libc", EntryPoint = "poll", SetLastError = true)]
    private static partial int Poll(PollDescriptor* descriptors, nuint count, int milliseconds);

    [LibraryImport("libc", EntryPoint = "epoll_create1", SetLastError = true)]
    public static partial int EpollCreate(int flags);

    [LibraryImport("libc", EntryPoint = "epoll_ctl", SetLastError = true)]
    public static partial int EpollControl(int epoll, int operation, int descriptor, byte* change);

    [LibraryImport("libc", EntryPoint = "epoll_wait", SetLastError = true)]
    public static partial int EpollWait(int epoll, byte* events, int most, int milliseconds);

    [LibraryImport("libc", EntryPoint = "waitid", SetLastError = true)]
    public static partial int WaitId(int kind, uint id, ChildInformation* information, int options);

    [LibraryImport("libc", EntryPoint = "getrusage")]
    private static partial int ResourceUsage(int who, long* usage);

    [LibraryImport("libc", EntryPoint = "wait4", SetLastError = true)]
    private static partial int WaitFor(int pid, int* status, int options, long* usage);

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    public static partial int Kill(int pid, int signal);

    [LibraryImport("libc", EntryPoint = "raise")]
    public static partial int Raise(int signal);

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

    /// <summary><c>struct futex_waitv</c>: a word of 32 bits that any process may share.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct FutexWaiter(uint* word, uint value)
    {
        private const uint Size32 = 2;

        public ulong Value = value;
        public ulong Address = (ulong)word;
        public uint Flags = Size32;
        private readonly uint reserved;
    }

    /// <summary><c>struct __kernel_timespec</c>.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct KernelTime
    {
        public long Seconds;
        public long Nanoseconds;

        public static KernelTime Of(long nanoseconds) => new() { Seconds = nanoseconds / NanosecondsPerSecond, Nanoseconds = nanoseconds % NanosecondsPerSecond };
    }

    [StructLayout(LayoutKind.Sequential)]
    public struct PollDescriptor
    {
        public int Descriptor;
        public short Events;
        public short Happened;
    }

    /// <summary><c>struct msghdr</c> of 64-bit Linux.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct MessageHeader
    {
        public nint Name;
        public uint NameLength;
        public IoVector* Vectors;
        public nuint VectorCount;
        public byte* ControlData;
        public nuint ControlLength;
        public int Flags;
    }

    [StructLayout(LayoutKind.Sequential)]
    public struct IoVector
    {
        public byte* Start;
        public nuint Length;
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

using System.Collections;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using System.Text;
using ManyHands.Platform;
using ManyHands.Transport;

namespace ManyHands.Workers;

/// <summary>
/// A child on Linux, started with posix_spawn, because it must inherit descriptors that nobody else can reach: its end of the channel and of
/// its lifeline. Everything else that is open here is closed there.
/// </summary>
/// <remarks>
/// Each child leads a process group of its own: killing the group ends whatever it has started by ordinary means, and a Ctrl-C at the
/// terminal reaches the parent only, who decides.
/// </remarks>
[SupportedOSPlatform("linux")]
internal sealed unsafe class LinuxChildProcess : ChildProcess
{
    /// <summary>The child's end of the channel, as the child sees it.</summary>
    public const int ChannelDescriptor = 3;

    /// <summary>The reading end of a pipe that nobody writes to, as the child sees it. Its end is the parent's end.</summary>
    public const int LifelineDescriptor = 4;

    /// <summary>The memory of the rings, as the child sees it.</summary>
    public const int MemoryDescriptor = 5;

    private const int FirstFreeDescriptor = 6;
    private const int LowestSource = 16;
    private const int OpaqueStructSize = 1024;
    private static readonly DescriptorPoller Ends = new("ManyHands children");
    private static readonly DescriptorPoller Outputs = new("ManyHands output");
    private static readonly bool CanCloseFrom = HasExport("posix_spawn_file_actions_addclosefrom_np");

    private readonly Lock gate = new();
    private readonly int pidfd;
    private readonly int lifeline;
    private readonly Pipe standardOutput;
    private readonly Pipe standardError;
    private readonly long parentPeak = Linux.OwnPeakMemory();
    private long? peak;
    private bool reaped;

    private LinuxChildProcess(int id, int pidfd, int lifeline, Channel channel, ChildOutput output, int outputDescriptor, int errorDescriptor)
    {
        Id = id;
        this.pidfd = pidfd;
        this.lifeline = lifeline;
        Channel = channel;
        Output = output;
        output.ProcessId = id;
        standardOutput = new Pipe(outputDescriptor, new LineSplitter(text => output.Line(isError: false, text)));
        standardError = new Pipe(errorDescriptor, new LineSplitter(text => output.Line(isError: true, text)));
        Ends.Add(pidfd, OnEnd, givenUp: _ => MarkEnded(default));
    }

    public override int Id { get; }

    public override Channel Channel { get; }

    public override ChildOutput Output { get; }

    public override long? PeakMemory => peak;

    public static new LinuxChildProcess Start(ChildStart start)
    {
        RuntimeLayout layout = RuntimeLayout.Current;

        // All sources lie above the targets 0–4, whatever was open or closed in this process before: no duplication overwrites another's source.
        int socketOurs = -1, socketTheirs = -1, lifelineRead = -1, lifelineWrite = -1, outputRead = -1, outputWrite = -1, errorRead = -1, errorWrite = -1, pidfd = -1, memory = -1;
        RingSegment? rings = null;
        try
        {
            int* pair = stackalloc int[2];
            Linux.Check(Linux.SocketPair(Linux.SocketFamilyUnix, Linux.SocketStream | Linux.SocketCloseOnExec, 0, pair), "socketpair");
            socketOurs = MoveUp(pair[0]);
            socketTheirs = MoveUp(pair[1]);
            Linux.Check(Linux.Pipe(pair, Linux.OpenCloseOnExec), "pipe2");
            outputRead = MoveUp(pair[0]);
            outputWrite = MoveUp(pair[1]);
            Linux.Check(Linux.Pipe(pair, Linux.OpenCloseOnExec), "pipe2");
            errorRead = MoveUp(pair[0]);
            errorWrite = MoveUp(pair[1]);
            Linux.Check(Linux.Pipe(pair, Linux.OpenCloseOnExec), "pipe2");
            lifelineRead = MoveUp(pair[0]);
            lifelineWrite = MoveUp(pair[1]);

            rings = start.Transport == WorkerTransport.Sockets ? null : CreateRings(start.Transport, out memory);
            if (rings is not null)
                memory = MoveUp(memory);

            FaultPoint.Reach(FaultStep.DescriptorsMade);
            int id = rings is null
                ? Spawn(layout, start, "--socket", [(outputWrite, 1), (errorWrite, 2), (socketTheirs, ChannelDescriptor), (lifelineRead, LifelineDescriptor)])
                : Spawn(layout, start, "--rings", [(outputWrite, 1), (errorWrite, 2), (socketTheirs, ChannelDescriptor), (lifelineRead, LifelineDescriptor), (memory, MemoryDescriptor)]);
            FaultPoint.Reach(FaultStep.ProcessSpawned);
            pidfd = MoveUp(Linux.PidfdOpen(id));

            // From here on the kernel ends the child's whole group when this process ends, however it does and whatever they do: no thread of theirs has to run for it.
            Linux.KillGroupAtEnd(lifelineRead, id);

            Channel channel = rings is null
                ? new SocketChannel(new Socket(new SafeSocketHandle(socketOurs, ownsHandle: true)), sendWaits: false)
                : new RingChannel(rings, socketOurs, isWorker: false, start.Segments);
            rings = null;
            socketOurs = -1;
            LinuxChildProcess child = new(id, pidfd, lifelineWrite, channel, new ChildOutput(start.Output), outputRead, errorRead);
            pidfd = lifelineWrite = outputRead = errorRead = -1;
            return child;
        }
        finally
        {
            rings?.Dispose();
            foreach (int descriptor in (ReadOnlySpan<int>)[socketOurs, socketTheirs, lifelineRead, lifelineWrite, outputRead, outputWrite, errorRead, errorWrite, pidfd, memory])
            {
                if (descriptor >= 0)
                    Linux.Close(descriptor);
            }
        }
    }

    public override void Terminate()
    {
        lock (gate)
        {
            if (!reaped)
                Linux.PidfdSignal(pidfd, Linux.Sigterm);
        }
    }

    public override void Kill()
    {
        lock (gate)
        {
            if (!reaped)
                KillGroup();
        }
    }

    public override void Dispose()
    {
        base.Dispose();
        standardOutput.Finish();
        standardError.Finish();
    }

    // The child looks for unread output after the call. If it saw none, the poller has read it all, but may not have handed it on yet.
    public override void DrainOutput(bool wroteSome)
    {
        if (wroteSome || standardOutput.IsReading)
            standardOutput.Drain();
        if (wroteSome || standardError.IsReading)
            standardError.Drain();
    }

    // On the thread that watches all children. The zombie keeps its number, and so its group's, until it is reaped below.
    private void OnEnd()
    {
        Linux.ChildInformation information = default;
        bool isAnswered = Linux.WaitId(Linux.WaitByPidfd, (uint)pidfd, &information, Linux.WaitExited | Linux.WaitNoHang | Linux.WaitKeepWaitable) == 0;

        // It runs; or nobody knows, and this is called again. That it is no child of this process any more says that it has ended, and that somebody else has reaped it.
        if (isAnswered ? information.Pid == 0 : Marshal.GetLastPInvokeError() is var error && error != Linux.ErrorNoChild && Linux.MayBeProcess(Id))
            return;
        Ends.Remove(pidfd);
        bool exited = information.Code == Linux.ChildExited;
        bool known = information.Pid != 0;
        try
        {
            FaultPoint.Reach(FaultStep.EndSeen);
        }
        finally
        {
            try
            {
                Reap(killsGroup: known && !(exited && information.Status == 0));
                standardOutput.Finish();
                standardError.Finish();
            }
            finally
            {
                // Its link waits for that.
                MarkEnded(known ? new ProcessEnd(exited ? information.Status : null, exited ? null : information.Status) : default);
            }
        }
    }

    // What a crashed or killed worker has started is of no use to anyone; a worker that exits leaves behind what it meant to.
    private void Reap(bool killsGroup)
    {
        lock (gate)
        {
            if (reaped)
                return;
            if (killsGroup)
                KillGroup();
            long counted = Linux.Reap(Id);
            peak = counted > parentPeak ? counted : null;
            reaped = true;
            Linux.Close(pidfd);
            Linux.Close(lifeline);
        }
    }

    private void KillGroup()
    {
        Linux.Kill(-Id, Linux.Sigkill);
        Linux.PidfdSignal(pidfd, Linux.Sigkill);
    }

    private static RingSegment? CreateRings(WorkerTransport transport, out int memory)
    {
        memory = -1;
        try
        {
            if (!SharedSegment.IsSupported)
                throw new IOException($"{RuntimeInformation.ProcessArchitecture} processors are not supported.");
            return RingSegment.Create(out memory);
        }
        catch (IOException) when (transport == WorkerTransport.Automatic)
        {
            // A kernel or a sandbox without these calls; sockets are everywhere.
            return null;
        }
    }

    private static int Spawn(RuntimeLayout layout, ChildStart start, string mode, ReadOnlySpan<(int From, int To)> descriptors)
    {
        byte* actions = stackalloc byte[OpaqueStructSize];
        byte* attributes = stackalloc byte[OpaqueStructSize];
        byte* allSignals = stackalloc byte[128];
        byte* noSignals = stackalloc byte[128];
        new Span<byte>(allSignals, 128).Fill(0xff);
        new Span<byte>(noSignals, 128).Clear();

        List<nint> texts = [];
        nint path = Text(layout.Muxer, texts);
        nint nothing = Text("/dev/null", texts);
        byte** arguments = Texts([layout.Muxer, .. layout.Arguments, mode, start.Name], texts);
        byte** environment = Texts(EnvironmentOf(start), texts);
        Must(Linux.SpawnActionsInitialize(actions));
        Must(Linux.SpawnAttributesInitialize(attributes));
        try
        {
            Must(Linux.SpawnActionsOpen(actions, 0, (byte*)nothing, Linux.OpenReadOnly, 0));
            foreach ((int from, int to) in descriptors)
                Must(Linux.SpawnActionsDuplicate(actions, from, to));
            if (CanCloseFrom)
                Must(Linux.SpawnActionsCloseFrom(actions, FirstFreeDescriptor));
            if (start.WorkingDirectory is not null)
                Must(Linux.SpawnActionsChangeDirectory(actions, (byte*)Text(Path.GetFullPath(start.WorkingDirectory), texts)));

            // .NET ignores SIGPIPE and may block signals in the starting thread; both would be inherited.
            Must(Linux.SpawnAttributesSetFlags(attributes, Linux.SpawnSetProcessGroup | Linux.SpawnSetSignalDefaults | Linux.SpawnSetSignalMask));
            Must(Linux.SpawnAttributesSetProcessGroup(attributes, 0));
            Must(Linux.SpawnAttributesSetSignalDefaults(attributes, allSignals));
            Must(Linux.SpawnAttributesSetSignalMask(attributes, noSignals));

            int id;
            int error = Linux.Spawn(&id, (byte*)path, actions, attributes, arguments, environment);
            return error == 0 ? id : throw Linux.Failure($"Starting {layout.Muxer}", error);
        }
        finally
        {
            _ = Linux.SpawnActionsDestroy(actions);
            _ = Linux.SpawnAttributesDestroy(attributes);
            NativeMemory.Free(arguments);
            NativeMemory.Free(environment);
            foreach (nint text in texts)
                NativeMemory.Free((void*)text);
        }
    }

    private static void Must(int error)
    {
        if (error != 0)
            throw Linux.Failure("Preparing the start of a worker", error);
    }

    private static List<string> EnvironmentOf(ChildStart start)
    {
        List<string> variables = [];
        foreach (DictionaryEntry variable in Environment.GetEnvironmentVariables())
        {
            if (!start.Environment.ContainsKey((string)variable.Key))
                variables.Add($"{variable.Key}={variable.Value}");
        }

        foreach ((string name, string? value) in start.Environment)
        {
            if (value is not null)
                variables.Add($"{name}={value}");
        }

        return variables;
    }

    private static nint Text(string text, List<nint> texts)
    {
        int length = Encoding.UTF8.GetByteCount(text);
        byte* copy = (byte*)NativeMemory.Alloc((nuint)length + 1);
        Encoding.UTF8.GetBytes(text, new Span<byte>(copy, length));
        copy[length] = 0;
        texts.Add((nint)copy);
        return (nint)copy;
    }

    private static byte** Texts(List<string> values, List<nint> texts)
    {
        byte** array = (byte**)NativeMemory.Alloc((nuint)(values.Count + 1), (nuint)sizeof(byte*));
        for (int i = 0; i < values.Count; i++)
            array[i] = (byte*)Text(values[i], texts);
        array[values.Count] = null;
        return array;
    }

    private static int MoveUp(int descriptor)
    {
        if (descriptor >= LowestSource)
            return descriptor;
        try
        {
            return Linux.DuplicateAbove(descriptor, LowestSource);
        }
        finally
        {
            Linux.Close(descriptor);
        }
    }

    private static bool HasExport(string name) =>
        NativeLibrary.TryLoad("libc.so.6", out nint library) && NativeLibrary.TryGetExport(library, name, out _);

    /// <summary>The reading end of one of the child's output streams.</summary>
    private sealed class Pipe
    {
        private const int BufferSize = 16 * 1024;
        private const int MostAtOnce = 1024 * 1024;

        private readonly Lock gate = new();
        private readonly LineSplitter lines;
        private int descriptor;
        private bool reading;

        public Pipe(int descriptor, LineSplitter lines)
        {
            this.descriptor = descriptor;
            this.lines = lines;
            Linux.SetNonBlocking(descriptor);
            Outputs.Add(descriptor, Drain, givenUp: _ => GiveUp());
        }

        /// <summary>Set before the first byte is read and cleared after the last line is handed on.</summary>
        public bool IsReading => Volatile.Read(ref reading);

        /// <summary>Reads what is there, or a good deal of it: a child that writes without end must not keep the reader.</summary>
        public void Drain()
        {
            lock (gate)
            {
                Volatile.Write(ref reading, true);
                if (descriptor >= 0 && !Read(MostAtOnce))
                    Close();
                Volatile.Write(ref reading, false);
            }
        }

        /// <summary>Reads what is left and closes. Whoever else still holds the writing end writes to nobody.</summary>
        public void Finish()
        {
            lock (gate)
            {
                if (descriptor < 0)
                    return;
                Read(MostAtOnce);
                Close();
            }
        }

        // Nobody reads it any more; but a child that writes must not wait for ever with the pipe full.
        private void GiveUp()
        {
            lock (gate)
            {
                if (descriptor >= 0)
                    Close();
            }
        }

        private void Close()
        {
            Outputs.Remove(descriptor);
            Linux.Close(descriptor);
            descriptor = -1;
            lines.Finish();
        }

        // False at the end of the stream.
        private bool Read(int most)
        {
            byte* buffer = stackalloc byte[BufferSize];
            for (int read = 0; read < most;)
            {
                nint count = Linux.Read(descriptor, buffer, BufferSize);
                if (count == 0)
                    return false;
                if (count < 0)
                {
                    int error = Marshal.GetLastPInvokeError();
                    if (error == Linux.ErrorInterrupted)
                        continue;
                    return error == Linux.ErrorAgain;
                }

                lines.Add(new ReadOnlySpan<byte>(buffer, (int)count));
                read += (int)count;
            }

            return true;
        }
    }
}

using System.Buffers.Binary;
using System.Diagnostics;
using System.Globalization;
using ManyHands.Calls;
using ManyHands.Platform;
using ManyHands.Serialization;
using ManyHands.Transport;

namespace ManyHands.Workers;

/// <summary>
/// The child's side: takes calls and runs them one at a time, in order. Two threads change roles: the one that reads a call when none runs, runs it
/// itself, and the other reads on. So a call costs no switch of threads, and a cancellation is heard while one runs.
/// </summary>
#pragma warning disable CA1001 // It lives as long as its process.
internal sealed class WorkerLoop(Channel channel)
#pragma warning restore CA1001
{
    private readonly object gate = new();
    private readonly LinkedList<InboundCall> waiting = new();
    private readonly Dictionary<int, Func<ResolvedFunction>> functions = [];
    private readonly ManualResetEventSlim finished = new();
    private readonly ManualResetEventSlim nothingRuns = new(initialState: true);
    private readonly CancellationTokenSource stopping = new();
    private InboundCall? running;
    private bool someoneReads;
    private bool shuttingDown;
    private bool endsWithFirstCall;
    private volatile int exitCode;

    public int Run()
    {
        channel.Send(FrameKind.Ready, 0);
        for (int i = 1; i <= 2; i++)
            new Thread(Serve) { Name = $"ManyHands worker {i}", IsBackground = true }.UnsafeStart();
        finished.Wait();
        return exitCode;
    }

    /// <summary>Cancels the token of the call that runs, if any, and waits a while for it to end.</summary>
    public void CancelRunning(TimeSpan time)
    {
        lock (gate)
            running?.Cancel();
        _ = stopping.CancelAsync();
        nothingRuns.Wait(time);
    }

    private void Serve()
    {
        while (true)
        {
            lock (gate)
            {
                while (someoneReads)
                    Monitor.Wait(gate);
                someoneReads = true;
            }

            InboundCall? next = ReadUntilCall();
            while (next is not null)
            {
                Execute(next);
                lock (gate)
                {
                    running = null;
                    if (waiting.First is { } first)
                    {
                        waiting.RemoveFirst();
                        next = running = first.Value;
                    }
                    else
                    {
                        next = null;
                        nothingRuns.Set();
                        if (shuttingDown)
                            finished.Set();
                    }
                }
            }
        }
    }

    /// <summary>Reads until there is a call that can run now; hands the reading over to the other thread and returns it, decoded.</summary>
    private InboundCall ReadUntilCall()
    {
        while (channel.TryReceive(out Frame frame))
        {
            switch (frame.Kind)
            {
                case FrameKind.Setup:
                    SetUp(frame.Payload);
                    break;
                case FrameKind.Define:
                    byte[] definition = frame.Payload.ToArray();
                    Lazy<ResolvedFunction> function = new(() => ResolvedFunction.Resolve(definition));
                    functions[(int)frame.Id] = () => function.Value;
                    break;
                case FrameKind.Call:
                    InboundCall call = new(frame.Id, functions[BinaryPrimitives.ReadInt32LittleEndian(frame.Payload.Span)], frame.Payload[sizeof(int)..].ToArray());
                    lock (gate)
                    {
                        if (running is not null)
                        {
                            waiting.AddLast(call);
                            break;
                        }

                        running = call;
                        nothingRuns.Reset();
                        someoneReads = false;
                        Monitor.Pulse(gate);
                    }

                    return call;
                case FrameKind.Cancel:
                    Cancel(frame.Id);
                    break;
                case FrameKind.Recall:
                    Recall();
                    break;
                case FrameKind.Shutdown:
                    lock (gate)
                    {
                        shuttingDown = true;
                        if (running is null)
                            finished.Set();
                    }

                    break;
            }
        }

        // The parent is gone, or wants nothing of us any more.
        OwnEnd.Kill();
        throw new UnreachableException();
    }

    private void Execute(InboundCall call)
    {
        using PayloadWriter answer = new();
        WorkerSide side = new((receiver, value) => SendReport(call.Id, receiver, value), call.Token);
        long startedAt = Stopwatch.GetTimestamp();
        ValueTask<OutcomeKind> pending = CallRunner.RunAsync(call.Function, call.Payload, side, answer, () =>
        {
            channel.Send(FrameKind.Started, call.Id);
            startedAt = Stopwatch.GetTimestamp();
        });
        OutcomeKind kind = pending.IsCompletedSuccessfully ? pending.Result : pending.AsTask().GetAwaiter().GetResult();
        TimeSpan ran = Stopwatch.GetElapsedTime(startedAt);
        if (endsWithFirstCall && kind is not OutcomeKind.Result)
            TellFailure(kind, answer);

        bool wrote = OperatingSystem.IsLinux() && (Linux.Unread(1) > 0 || Linux.Unread(2) > 0);
        byte flags = (byte)((byte)kind | (wrote ? Frame.WroteOutput : 0));
        channel.Send(FrameKind.Ended, call.Id, answer.WrittenSpan, flags: flags, runTime: Frame.InHeaderUnits(ran));
    }

    // A single worker's failure is seen where a program's is: on its standard error and in its exit code.
    private void TellFailure(OutcomeKind kind, PayloadWriter answer)
    {
        exitCode = 1;
        PayloadReader reader = new(answer.WrittenMemory);
        switch (kind)
        {
            case OutcomeKind.Canceled:
                break;
            case OutcomeKind.Threw:
                Console.Error.WriteLine($"Unhandled exception in {Worker.Current.Name} ({Environment.ProcessId}): {RemoteFailure.Read(ref reader)}");
                break;
            default:
                Console.Error.WriteLine($"{Worker.Current.Name} ({Environment.ProcessId}): {reader.ReadRequiredString()}");
                break;
        }
    }

    private void SendReport(long call, int receiver, PayloadWriter value)
    {
        Span<byte> prefix = stackalloc byte[sizeof(int)];
        BinaryPrimitives.WriteInt32LittleEndian(prefix, receiver);
        channel.Send(FrameKind.Progress, call, value.WrittenSpan, prefix);
    }

    private void Cancel(long id)
    {
        lock (gate)
        {
            if (running?.Id == id)
            {
                running.Cancel();
                return;
            }

            for (LinkedListNode<InboundCall>? node = waiting.First; node is not null; node = node.Next)
            {
                if (node.Value.Id == id)
                {
                    waiting.Remove(node);
                    channel.Send(FrameKind.Returned, id);
                    return;
                }
            }
        }
    }

    private void Recall()
    {
        lock (gate)
        {
            foreach (InboundCall call in waiting)
                channel.Send(FrameKind.Returned, call.Id);
            waiting.Clear();
        }
    }

    private void SetUp(ReadOnlyMemory<byte> payload)
    {
        PayloadReader reader = new(payload);
        Worker.SetRoot(reader.ReadRequiredString(), stopping.Token);
        CultureInfo.DefaultThreadCurrentCulture = CultureInfo.GetCultureInfo(reader.ReadRequiredString());
        CultureInfo.DefaultThreadCurrentUICulture = CultureInfo.GetCultureInfo(reader.ReadRequiredString());
        endsWithFirstCall = reader.ReadUnmanaged<bool>();
    }

#pragma warning disable CA1001 // A function may keep its token longer than its call; a source without timer or links holds nothing that needs disposal.
    private sealed class InboundCall(long id, Func<ResolvedFunction> function, byte[] payload)
#pragma warning restore CA1001
    {
        private readonly CancellationTokenSource cancellation = new();

        public long Id => id;

        public Func<ResolvedFunction> Function => function;

        public byte[] Payload => payload;

        public CancellationToken Token => cancellation.Token;

        public void Cancel() => _ = cancellation.CancelAsync();
    }
}

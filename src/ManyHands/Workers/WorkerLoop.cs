using System.Diagnostics;
using ManyHands.Calls;
using ManyHands.Platform;
using ManyHands.Serialization;
using ManyHands.Transport;

namespace ManyHands.Workers;

/// <summary>
/// The child's side: takes calls and runs them one at a time, in order. One thread reads and runs, so that a call costs no switch of threads; a second hears
/// what must be heard while a call runs, such as its cancellation.
/// </summary>
#pragma warning disable CA1001 // It lives as long as its process.
internal sealed class WorkerLoop(Channel channel, WorkerPreparation preparation)
#pragma warning restore CA1001
{
    private const int AnswersPerWake = 16;
    private const int ItemsPerWake = 64;

    /// <summary>Nothing that writes to a pipe is quicker, so only after longer calls is it asked whether they did.</summary>
    private static readonly TimeSpan ShortestWrite = TimeSpan.FromMicroseconds(1);

    /// <summary>After a longer call its caller is told at once, whatever comes next.</summary>
    private static readonly TimeSpan Brief = TimeSpan.FromMicroseconds(20);

    private readonly object gate = new();
    private readonly Queue<InboundCalls> waiting = new();
    private readonly Dictionary<int, DefinedFunction> functions = [];
    private readonly ManualResetEventSlim finished = new();
    private readonly CancellationTokenSource stopping = new();
    private readonly PayloadWriter answer = new(256, null, channel.Segments);
    private InboundCalls? running;
    private int unannounced;
    private bool shuttingDown;
    private bool endsWithFirstCall;
    private volatile int exitCode;

    public int Run()
    {
        channel.Send(FrameKind.Ready, 0);
        FaultPoint.Reach(FaultStep.ReadySent);
        Guarded.StartThread(GuardedEntry.WorkerCalls, "ManyHands worker", RunCalls, OwnEnd.Fail);
        Guarded.StartThread(GuardedEntry.WorkerListener, "ManyHands listener", Listen, OwnEnd.Fail);
        if (!finished.Wait(Rehearsal.IdleMilliseconds) && Volatile.Read(ref running) is null)
            Rehearsal.Run();
        finished.Wait();
        return exitCode;
    }

    /// <summary>Cancels the token of the call that runs, if any, and waits a while for it to end.</summary>
    public void CancelRunning(TimeSpan time)
    {
        long startedAt = Stopwatch.GetTimestamp();
        lock (gate)
        {
            running?.Cancel();
            _ = stopping.CancelAsync();
            while (running is not null && time - Stopwatch.GetElapsedTime(startedAt) is var left && left > TimeSpan.Zero)
                Monitor.Wait(gate, left);
        }
    }

    private void RunCalls()
    {
        while (true)
        {
            if (TakeNext() is { } next)
            {
                preparation.AwaitSignals();
                Execute(next);
                continue;
            }

            unannounced = 0;
            if (channel.HearsUrgentFrames)
            {
                channel.WaitForFrame();
                continue;
            }

            lock (gate)
            {
                while (waiting.Count == 0)
                    Monitor.Wait(gate);
            }
        }
    }

    // Where urgent frames can be told apart, this thread only listens while the other runs something; else it reads everything.
    private void Listen()
    {
        while (channel.WaitForUrgentFrame())
        {
            lock (gate)
            {
                if (!channel.HearsUrgentFrames || running is not null)
                    ReadAll();
                if (waiting.Count > 0)
                    Monitor.PulseAll(gate);
            }
        }

        // The parent is gone, or wants nothing of us any more.
        OwnEnd.Kill();
    }

    private InboundCalls? TakeNext()
    {
        lock (gate)
        {
            if (running is not null)
            {
                running.Dispose();
                running = null;
                Monitor.PulseAll(gate);
            }

            if (!waiting.TryDequeue(out InboundCalls? next) && channel.HearsUrgentFrames)
            {
                while (channel.TryRead(out Frame frame) && next is null)
                    next = Handle(frame);
            }

            running = next;
            if (next is null)
            {
                if (shuttingDown)
                    finished.Set();
            }
            else if (channel.HasUnreadUrgentFrame)
            {
                // Perhaps about this very call, and nobody else would look.
                ReadAll();
            }

            return next;
        }
    }

    private void ReadAll()
    {
        _ = channel.HasUnreadUrgentFrame;
        while (channel.TryRead(out Frame frame))
        {
            if (Handle(frame) is { } call)
                waiting.Enqueue(call);
        }
    }

    /// <summary>Does what a frame says and releases it; returns the calls it brings.</summary>
    private InboundCalls? Handle(in Frame frame)
    {
        InboundCalls? calls = null;
        switch (frame.Kind)
        {
            case FrameKind.Setup:
                SetUp(frame.Payload);
                FaultPoint.Reach(FaultStep.SetupRead);
                break;
            case FrameKind.Define:
                functions[(int)frame.Id] = new DefinedFunction(frame.Payload.ToArray());
                break;
            case FrameKind.Call:
                FaultPoint.Reach(FaultStep.CallRead);
                calls = new InboundCalls(this, channel, frame, functions[(int)frame.Argument]);
                break;
            case FrameKind.Cancel:
                FaultPoint.Reach(FaultStep.CancelRead);
                Cancel(frame.Id);
                break;
            case FrameKind.Recall:
                FaultPoint.Reach(FaultStep.RecallRead);
                Recall();
                break;
            case FrameKind.Shutdown:
                FaultPoint.Reach(FaultStep.ShutdownRead);
                shuttingDown = true;
                if (running is null && waiting.Count == 0)
                    finished.Set();
                break;
        }

        channel.Release(frame, keepSegment: calls is not null);
        return calls;
    }

    private void Execute(InboundCalls calls)
    {
        calls.BeganAt = Stopwatch.GetTimestamp();
        if (calls.Refusal is { } refusal)
        {
            Refuse(calls, refusal);
            return;
        }

        if (calls.HasLengths && calls.Function.RunsInSeries)
        {
            calls.Function.Resolved.RunSeries(calls, calls, answer);
            TellResults(calls);
            return;
        }

        while (calls.TryClaim())
        {
            answer.Reset();
            ReadOnlyMemory<byte> payload = calls.TakePayload();
            ValueTask<OutcomeKind> pending = CallRunner.RunAsync(calls.Function, payload, calls, answer, calls);
            if (!Answer(calls, pending.IsCompletedSuccessfully ? pending.Result : pending.AsTask().GetAwaiter().GetResult()))
                break;
        }

        TellResults(calls);
    }

    // Those behind the first are given back with its answer: they come again, perhaps elsewhere, and perhaps with less beside them.
    private void Refuse(InboundCalls calls, IOException refusal)
    {
        if (!calls.TryClaim())
            return;
        answer.Reset();
        Answer(calls, CallRunner.Undecodable(refusal, calls, answer));
    }

    // Those behind it were taken back while the last one ran, so what it sent wasn't sent as the last.
    private void TellResults(InboundCalls calls)
    {
        if (!calls.IsConcluded)
            channel.Flush();
    }

    /// <summary>Sends what a call ended with, which is in the answer; false if no other of those sent together may follow.</summary>
    public bool Answer(InboundCalls calls, OutcomeKind kind)
    {
        if (calls.Count > 1)
            FaultPoint.Reach(FaultStep.BatchItemRun);
        long sequence = calls.First + calls.Index;
        bool isLast = calls.Index == calls.Count - 1 || kind != OutcomeKind.Result;
        if (!isLast)
        {
            if (!channel.TryGather(sequence, answer.WrittenSpan))
                channel.Send(FrameKind.Ended, sequence, EncodedPayload.In(answer), wakeLater: (calls.Index % ItemsPerWake) != ItemsPerWake - 1);
            FaultPoint.Reach(FaultStep.BatchItemAnswered);
            return true;
        }

        calls.IsConcluded = true;
        TimeSpan ran = Stopwatch.GetElapsedTime(calls.BeganAt);
        if (endsWithFirstCall && kind is not OutcomeKind.Result)
            TellFailure(kind);
        byte flags = (byte)((byte)kind | (calls.RanOutOfMemory ? Frame.Unwell : 0));
        if (ran >= ShortestWrite && OperatingSystem.IsLinux() && (Linux.Unread(1) > 0 || Linux.Unread(2) > 0))
            flags |= Frame.WroteOutput;
        bool wakeLater = ran < Brief && ++unannounced < AnswersPerWake;
        FaultPoint.Reach(FaultStep.AnswerEncoded);
        channel.Send(FrameKind.Ended, sequence, EncodedPayload.In(answer), flags: flags, runTime: Frame.InHeaderUnits(ran), wakeLater: wakeLater);
        FaultPoint.Reach(FaultStep.AnswerSent);
        if (!wakeLater)
            unannounced = 0;
        if (answer.Segment is not null)
            answer.Reset();
        GiveBackRest(calls);
        return false;
    }

    private void GiveBackRest(InboundCalls calls)
    {
        int next = calls.ClaimRest();
        if (next < calls.Count)
            channel.Send(FrameKind.Returned, calls.First + next);
    }

    // A single worker's failure is seen where a program's is: on its standard error and in its exit code.
    private void TellFailure(OutcomeKind kind)
    {
        exitCode = 1;
        PayloadReader reader = new(answer.WrittenMemory);
        try
        {
            switch (kind)
            {
                case OutcomeKind.Canceled:
                    break;
                case OutcomeKind.Threw:
                    Console.Error.WriteLine($"Unhandled exception in {Worker.Current.Name} ({Environment.ProcessId}): {ExceptionText.Of(RemoteFailure.Read(ref reader))}");
                    break;
                default:
                    Console.Error.WriteLine($"{Worker.Current.Name} ({Environment.ProcessId}): {reader.ReadRequiredString()}");
                    break;
            }
        }
        catch (Exception)
        {
            // Whatever the console makes of that, the function has closed its standard error; the exit code tells all the same.
        }
    }

    private void Cancel(long first)
    {
        if (running?.First == first)
        {
            running.Cancel();
            GiveBackRest(running);
            return;
        }

        for (int left = waiting.Count; left > 0; left--)
        {
            InboundCalls calls = waiting.Dequeue();
            if (calls.First == first)
                GiveBack(calls);
            else
                waiting.Enqueue(calls);
        }
    }

    private void Recall()
    {
        if (running is not null)
        {
            GiveBackRest(running);

            // It runs for long: its caller gets the results of those before it now.
            channel.Flush();
        }

        while (waiting.TryDequeue(out InboundCalls? calls))
            GiveBack(calls);
    }

    private void GiveBack(InboundCalls calls)
    {
        GiveBackRest(calls);
        calls.Dispose();
    }

    private void SetUp(ReadOnlyMemory<byte> payload)
    {
        PayloadReader reader = new(payload);
        Worker.SetRoot(reader.ReadRequiredString(), stopping.Token);
        ProcessCulture.Apply(ref reader);
        endsWithFirstCall = reader.ReadUnmanaged<bool>();
    }
}

using ManyHands.Calls;
using ManyHands.Platform;
using ManyHands.Serialization;
using ManyHands.Transport;

namespace ManyHands.Workers;

/// <summary>
/// Who gives work to a <see cref="WorkerLink"/> and hears what becomes of it: on the link's own thread, or on that of a caller that looks for its outcome itself. Never
/// on two at a time.
/// </summary>
internal interface IWorkerLinkOwner
{
    /// <summary>The process exists; its id is known.</summary>
    void OnSpawned(WorkerLink link);

    /// <summary>The worker has run its initializer and takes calls.</summary>
    void OnReady(WorkerLink link);

    /// <summary>The call with this sequence number has ended. The payload is valid during this call only. A run time of zero means that it isn't known.</summary>
    /// <param name="isUnwell">The worker ran out of memory, and should run nothing more.</param>
    void OnEnded(WorkerLink link, long sequence, OutcomeKind kind, ReadOnlyMemory<byte> payload, TimeSpan runTime, bool isUnwell);

    /// <summary>Results of calls that were sent together, the first with this number. The payload holds each behind its length, and is valid during this call only.</summary>
    void OnResults(WorkerLink link, long sequence, int count, ReadOnlyMemory<byte> payload);

    void OnProgress(WorkerLink link, long sequence, int receiver, ReadOnlyMemory<byte> value);

    /// <summary>The call has reported something that can't be had here.</summary>
    void OnUnreadableReport(WorkerLink link, long sequence, Exception reason);

    /// <summary>The call came back unstarted, because it was cancelled or recalled, and so did those that were sent together with it and come after it.</summary>
    void OnReturned(WorkerLink link, long sequence);

    /// <summary>All that was there has been read; what follows may take its time.</summary>
    void OnAllRead(WorkerLink link);

    /// <summary>The last that is ever heard of the link. Whatever it still had is for the owner to settle.</summary>
    void OnGone(WorkerLink link, WorkerGone gone);
}

/// <summary>How a worker's story ended.</summary>
/// <param name="Exit">The end of its process; null if the process never started.</param>
/// <param name="Failure">What the initializer threw, or why the process could not be started; else null.</param>
/// <param name="WasReady">Whether it ever took calls.</param>
internal sealed record WorkerGone(WorkerExit? Exit, Exception? Failure, bool WasReady);

/// <summary>What a worker is started with.</summary>
internal sealed record WorkerSettings
{
    public required string Name { get; init; }

    public IReadOnlyDictionary<string, string?> Environment { get; init; } = new Dictionary<string, string?>();

    public string? WorkingDirectory { get; init; }

    public Action<WorkerOutputLine>? Output { get; init; }

    public TimeSpan StartTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <inheritdoc cref="ChildStart.Portable"/>
    public bool Portable { get; init; }

    public WorkerTransport Transport { get; init; }

    /// <summary>Where large payloads are; null for a pool of the link's own.</summary>
    public SegmentPool? Segments { get; init; }

    /// <summary>The most memory that the worker may use, in bytes; null for no limit.</summary>
    public long? MemoryLimit { get; init; }

    /// <summary>Runs before the worker is ready; null for none. Shared by all workers of a pool.</summary>
    public PendingCall? Initializer { get; init; }

    /// <summary>One function and then the end: what it throws also goes to standard error, and the exit code tells.</summary>
    public bool EndsWithFirstCall { get; init; }
}

/// <summary>
/// The parent's side of one worker process: starts it, sends calls, routes what comes back, and tells its end. One thread per worker, so that nothing of
/// ours waits for the thread pool.
/// </summary>
#pragma warning disable CA1001 // What it owns ends with the process, which the link sees to itself.
internal sealed class WorkerLink
#pragma warning restore CA1001
{
    /// <summary>The number of the initializer's call; real calls count from 1.</summary>
    private const long InitializerCall = 0;

    /// <summary>The sequence number of the first real call.</summary>
    public const long FirstSequence = 1;

    private static readonly TimeSpan EndTime = TimeSpan.FromSeconds(2);

    private readonly WorkerSettings settings;
    private readonly IWorkerLinkOwner owner;
    private readonly Lock gate = new();
    private readonly HashSet<int> knownFunctions = [];
    private readonly List<Deadline> killDeadlines = [];
    private readonly Spinning spinning = new();
    private ChildProcess? process;
    private volatile ChildProcess? child;
    private Deadline? startDeadline;
    private IDisposable? keptDeadlines;
    private MemoryLimit? memoryLimit;
    private volatile bool damaged;
    private Exception? initializerFailure;
    private string? reason;
    private bool wasReady;
    private bool killed;
    private bool gone;
    private bool isTaking;
    private bool isEndTold;
    private int shutdownWaits;

    public WorkerLink(WorkerSettings settings, IWorkerLinkOwner owner)
    {
        this.settings = settings;
        this.owner = owner;
    }

    public string Name => settings.Name;

    /// <summary>Zero until the process has started.</summary>
    public int ProcessId { get; private set; }

    /// <summary>Starts the process and returns at once; the owner hears the rest.</summary>
    public void Start()
    {
        try
        {
            Guarded.StartThread(GuardedEntry.Link, $"ManyHands {Name}", Run, Fail);
        }
        catch (Exception refused)
        {
            // No thread to be had. Told from elsewhere, as the owner is in the middle of something.
            Guarded.Queue(GuardedEntry.LinkEnd, (Link: this, Reason: refused), static start => start.Link.Fail(start.Reason), static start => start.Link.Name);
        }
    }

    /// <summary>How calls reach the worker; what the settings say until it has started.</summary>
    public WorkerTransport Transport => child?.Channel switch
    {
        null => settings.Transport,
        { HearsUrgentFrames: true } => WorkerTransport.SharedMemory,
        _ => WorkerTransport.Sockets,
    };

    /// <summary>What keeps it within its memory limit.</summary>
    public MemoryLimitMechanisms MemoryLimits => memoryLimit?.Mechanisms ?? MemoryLimitMechanisms.None;

    /// <summary>The resident memory of its process, in bytes; 0 if that isn't known.</summary>
    public long ResidentMemory => ProcessId == 0 ? 0 : ProcessMemory.Resident(ProcessId);

    /// <summary>What the worker said last about the call it runs.</summary>
    public StartedCall Started => child?.Channel.Started ?? default;

    /// <summary>Sends calls of one function. Sequence numbers are given by the sender, upwards without gaps. False if the worker is gone, and then nothing was sent.</summary>
    /// <param name="function">The function of all of them.</param>
    /// <param name="payload">Their targets and arguments.</param>
    /// <param name="sequence">The first one's number.</param>
    /// <param name="count">How many.</param>
    /// <param name="hasLengths">Whether each one's bytes come behind their length.</param>
    /// <param name="callerLooks">Whether the caller is going to <see cref="Look"/>.</param>
    /// <param name="isTimed">Whether it matters when each starts.</param>
    public bool Send(FunctionReference function, EncodedPayload payload, long sequence, int count = 1, bool hasLengths = false, bool callerLooks = false, bool isTimed = false)
    {
        lock (gate)
        {
            if (gone || child is null)
                return false;
            SendCalls(function, payload, sequence, count, (byte)((hasLengths ? Frame.HasLengths : 0) | (callerLooks ? Frame.CallerLooks : 0) | (isTimed ? Frame.Timed : 0)));
            return true;
        }
    }

    /// <summary>Cancels the token of what was sent under this number, and asks for what of it hasn't started.</summary>
    public void Cancel(long sequence) => SendControl(FrameKind.Cancel, sequence);

    /// <summary>Asks for all calls back that haven't started.</summary>
    public void Recall() => SendControl(FrameKind.Recall, 0);

    /// <summary>
    /// Looks itself for what the worker sends, for some microseconds, until the call has ended: waking a thread would take longer. Outcomes of others
    /// that it meets are handed on as well.
    /// </summary>
    public void Look(PendingCall call)
    {
        if (child?.Channel is not { HearsUrgentFrames: true } channel || !channel.TryBeginReading())
            return;
        try
        {
            long deadline = Spinning.CallersDeadline;
            int rounds = 0;
            do
            {
                do
                {
                    ReadAll(channel, isCaller: true);
                }
                while (!call.IsCompleted && Spinning.Pause(ref rounds, deadline));
            }
            while (channel.EndReading());
        }
        catch (Exception unforeseen)
        {
            Damaged(unforeseen);
        }

        if (call.IsCompleted)
            spinning.Succeeded();
        else
            spinning.Failed();
    }

    /// <summary>Whether a caller should look for the outcome of the call that it is about to send to an idle worker; ask once for each.</summary>
    public bool IsLookingWorthwhile => child?.Channel is { HearsUrgentFrames: true } && spinning.IsWorthwhile;

    /// <summary>Makes the link's thread look for what the worker has sent without saying so.</summary>
    public void Nudge()
    {
        lock (gate)
        {
            if (!gone)
                child?.Channel.Nudge();
        }
    }

    /// <summary>Lets it end by itself when its calls have ended, and what it has answered by now was taken: shared objects in it can be had from its process only.</summary>
    /// <param name="within">After this time it is killed; null lets it take the time it needs.</param>
    public void Shutdown(TimeSpan? within)
    {
        Volatile.Write(ref shutdownWaits, 1);
        Interlocked.MemoryBarrier();
        if (!Volatile.Read(ref isTaking))
            SendShutdown();
        if (within is { } time)
            KillAfter(time, "it did not end when the pool was closed");
    }

    /// <summary>Asks the process to end (SIGTERM), kills it after the grace.</summary>
    public void Terminate(string why, TimeSpan grace)
    {
        lock (gate)
        {
            reason ??= why;
            if (!gone)
                child?.Terminate();
        }

        KillAfter(grace, why);
    }

    /// <summary>Ends the process and all it has started, at once.</summary>
    public void Kill(string why)
    {
        lock (gate)
        {
            reason ??= why;
            killed = true;
            if (!gone)
                child?.Kill();
        }
    }

    private void KillAfter(TimeSpan time, string why)
    {
        lock (gate)
        {
            if (!gone)
                killDeadlines.Add(Deadlines.After(time, () => Kill(why), failed: _ => Kill(why)));
        }
    }

    // One that is being started is told when it is there.
    private void SendShutdown()
    {
        if (child is null || Interlocked.Exchange(ref shutdownWaits, 0) == 0)
            return;
        FaultPoint.Reach(FaultStep.ShutdownSending);
        SendControl(FrameKind.Shutdown, 0);
    }

    private void SendControl(FrameKind kind, long id)
    {
        lock (gate)
        {
            if (!gone)
                child?.Channel.Send(kind, id);
        }
    }

    private void SendCalls(FunctionReference function, EncodedPayload payload, long sequence, int count, byte flags)
    {
        if (knownFunctions.Add(function.Id))
            child!.Channel.Send(FrameKind.Define, function.Id, function.Definition, wakeLater: true);
        FaultPoint.Reach(FaultStep.CallSending);
        child!.Channel.Send(FrameKind.Call, sequence, payload, argument: (ulong)count << 32 | (uint)function.Id, flags: flags);
        FaultPoint.Reach(FaultStep.CallSent);
    }

    private void Run()
    {
        ChildProcess started;
        FaultPoint.Reach(FaultStep.WorkerStarting);
        if (settings.MemoryLimit is { } bytes)
            memoryLimit = new MemoryLimit(bytes);
        try
        {
            started = ChildProcess.Start(new ChildStart
            {
                Name = Name,
                Environment = memoryLimit?.AddTo(settings.Environment) ?? settings.Environment,
                WorkingDirectory = settings.WorkingDirectory,
                Output = settings.Output,
                Portable = settings.Portable,
                Transport = settings.Transport,
                Segments = settings.Segments,
            });
        }
        catch (Exception failure)
        {
            memoryLimit?.Dispose();
            lock (gate)
                gone = true;
            TellEnd(new WorkerGone(null, failure, WasReady: false));
            return;
        }

        process = started;
        FaultPoint.Reach(FaultStep.ProcessWatched);
        memoryLimit?.Apply(started.Id, Kill);
        Action killAsLate = () => Kill($"it was not ready within the start timeout of {settings.StartTimeout.TotalSeconds:0.#} s");
        keptDeadlines = Deadlines.Keep();
        startDeadline = Deadlines.After(settings.StartTimeout, killAsLate, failed: _ => killAsLate());
        lock (gate)
        {
            child = started;
            ProcessId = started.Id;
            started.Channel.Send(FrameKind.Setup, 0, SetupPayload());
            if (settings.Initializer is not null)
                SendCalls(settings.Initializer.Function, settings.Initializer.Payload, InitializerCall, 1, flags: 0);
            if (killed)
                started.Kill();
        }

        FaultPoint.Reach(FaultStep.SetupSent);
        SendShutdown();
        owner.OnSpawned(this);
        while (WaitForFrame(started.Channel))
        {
            try
            {
                do
                {
                    ReadAll(started.Channel);
                }
                while (started.Channel.EndReading());
            }
            catch (Exception unforeseen)
            {
                Damaged(unforeseen);
            }
        }

        ReadGathered(started.Channel);
        startDeadline!.Cancel();
        TellEnd(End(started));
    }

    // What was thrown on the link's thread but for a frame's sake. Without its thread a worker is of no use; whoever has given it calls learns of its end all the same.
    private void Fail(Exception unforeseen)
    {
        if (isEndTold)
            return;
        Kill($"something unforeseen happened to its link: {ExceptionText.MessageOf(unforeseen)}");
        WorkerExit? exit = null;
        if (process is not null)
        {
            process.Kill();
            process.WaitForEnd(EndTime, out ProcessEnd end);
            exit = ExitOf(process, end);
        }

        memoryLimit?.Dispose();
        startDeadline?.Cancel();
        lock (gate)
        {
            gone = true;
            killDeadlines.ForEach(deadline => deadline.Cancel());
            process?.Dispose();
        }

        TellEnd(new WorkerGone(exit, unforeseen, wasReady));
    }

    private void TellEnd(WorkerGone last)
    {
        isEndTold = true;
        keptDeadlines?.Dispose();
        Guarded.Run(GuardedEntry.LinkEnd, (Link: this, Last: last), static end => end.Link.owner.OnGone(end.Link, end.Last), static end => end.Link.Name, static (end, _) => end.Link.owner.OnGone(end.Link, end.Last));
    }

    private bool WaitForFrame(Channel channel)
    {
        try
        {
            return !damaged && channel.WaitForFrame();
        }
        catch (Exception damage)
        {
            Damaged(damage);
            return false;
        }
    }

    private void ReadAll(Channel channel, bool isCaller = false)
    {
        Volatile.Write(ref isTaking, true);
        try
        {
            if (isCaller)
                FaultPoint.Reach(FaultStep.CallerLooking);
            bool some = false;
            while (!damaged && channel.TryRead(out Frame frame))
            {
                Handle(frame);
                channel.Release(frame);
                some = true;
            }

            if (some)
                owner.OnAllRead(this);
        }
        catch (Exception damage)
        {
            // The thread may be a caller's whose business is another call: nothing of this is his.
            Damaged(damage);
        }
        finally
        {
            Volatile.Write(ref isTaking, false);
        }

        // Who shuts it down sees that nothing is being taken, or is seen here.
        Interlocked.MemoryBarrier();
        if (Volatile.Read(ref shutdownWaits) != 0)
            Guarded.Run(GuardedEntry.LinkFrame, this, static link => link.SendShutdown(), static link => $"the end of {link.Name}", static (link, unforeseen) => link.Damaged(unforeseen));
    }

    // What the worker had finished, but not yet sent, when it died.
    private void ReadGathered(Channel channel)
    {
        if (damaged || !channel.TryReadGathered(out Frame frame))
            return;
        try
        {
            Handle(frame);
        }
        catch (Exception stale) when (stale is InvalidDataException or InvalidPayloadException)
        {
            // It was sent after all, and died before it could say that this is nothing new.
        }
        catch (Exception unforeseen)
        {
            Damaged(unforeseen);
        }
    }

    // The worker is ended, and its calls are settled then. What can't be understood is its own fault; anything else that is thrown is ours.
    private void Damaged(Exception damage)
    {
        damaged = true;
        if (damage is InvalidDataException or InvalidPayloadException)
            EndDamaged($"it sent something that can't be understood: {ExceptionText.MessageOf(damage)}");
        else
            Guarded.Fail(GuardedEntry.LinkFrame, this, damage, static link => $"what {link.Name} has sent; the worker is ended", static (link, unforeseen) => link.EndDamaged($"something unforeseen happened with what it sent: {ExceptionText.MessageOf(unforeseen)}"));
    }

    private void EndDamaged(string why)
    {
        try
        {
            child!.Channel.Abandon();
        }
        finally
        {
            Kill(why);
        }
    }

    private WorkerGone End(ChildProcess ended)
    {
        // The channel's end is the process's end, but for one that closed its descriptors and lives on.
        if (!ended.WaitForEnd(EndTime, out ProcessEnd end))
        {
            Kill("it closed its connection to this process");
            ended.WaitForEnd(EndTime, out end);
        }

        FaultPoint.Reach(FaultStep.WorkerGone);
        WorkerExit exit = ExitOf(ended, end);
        memoryLimit?.Dispose();
        lock (gate)
        {
            gone = true;
            killDeadlines.ForEach(deadline => deadline.Cancel());
            ended.Dispose();
        }

        return new WorkerGone(exit, initializerFailure, wasReady);
    }

    private WorkerExit ExitOf(ChildProcess ended, ProcessEnd end) => new()
    {
        ProcessId = ended.Id,
        ExitCode = end.ExitCode,
        Signal = end.Signal,
        RunTime = ended.RunTime,
        LastErrorLines = ended.Output.LastErrorLines,
        Reason = reason ?? memoryLimit?.Breach,
        PeakMemory = memoryLimit?.Peak ?? ended.PeakMemory,
    };

    private void Handle(in Frame frame)
    {
        FaultPoint.Enter(GuardedEntry.LinkFrame);
        switch (frame.Kind)
        {
            case FrameKind.Ready:
                startDeadline!.Cancel();
                if (settings.Initializer is null)
                    BecomeReady();
                break;
            case FrameKind.Ended:
                FaultPoint.Reach(FaultStep.OutcomeRead);
                child!.DrainOutput((frame.Flags & Frame.WroteOutput) != 0);
                OutcomeKind kind = (OutcomeKind)(frame.Flags & ~(Frame.WroteOutput | Frame.Unwell));
                ReadOnlyMemory<byte> payload = frame.Payload;
                if (frame.Refusal is { } refusal)
                    (kind, payload) = (OutcomeKind.ResultUnsendable, Text($"its outcome arrived but can't be had here: {ExceptionText.MessageOf(refusal)}"));
                if (frame.Id == InitializerCall)
                    InitializerEnded(kind, payload);
                else
                    owner.OnEnded(this, frame.Id, kind, payload, frame.RunTimeSpan, (frame.Flags & Frame.Unwell) != 0);
                break;
            case FrameKind.Progress when frame.Refusal is not null:
                owner.OnUnreadableReport(this, frame.Id, frame.Refusal);
                break;
            case FrameKind.Results:
                owner.OnResults(this, frame.Id, (int)frame.Argument, frame.Payload);
                break;
            case FrameKind.Progress:
                FaultPoint.Reach(FaultStep.ProgressRead);
                owner.OnProgress(this, frame.Id, (int)frame.Argument, frame.Payload);
                break;
            case FrameKind.Returned:
                owner.OnReturned(this, frame.Id);
                break;
            default:
                throw new InvalidDataException($"A worker doesn't send frames of the kind {(byte)frame.Kind}.");
        }
    }

    private void BecomeReady()
    {
        FaultPoint.Reach(FaultStep.ReadyRead);
        wasReady = true;
        owner.OnReady(this);
    }

    private void InitializerEnded(OutcomeKind kind, ReadOnlyMemory<byte> payload)
    {
        if (kind == OutcomeKind.Result)
        {
            BecomeReady();
            return;
        }

        PayloadReader reader = new(payload);
        initializerFailure = kind == OutcomeKind.Threw
            ? RemoteFailure.Read(ref reader)
            : new UnsendableCallException(reader.Remaining > 0 ? reader.ReadRequiredString() : "The initializer was cancelled.");
        Kill("its initializer failed");
    }

    private static byte[] Text(string text)
    {
        using PayloadWriter writer = new();
        writer.WriteString(text);
        return writer.WrittenSpan.ToArray();
    }

    private byte[] SetupPayload()
    {
        using PayloadWriter writer = new();
        writer.WriteString(Name);
        ProcessCulture.Write(writer);
        writer.WriteUnmanaged(settings.EndsWithFirstCall);
        return writer.WrittenSpan.ToArray();
    }
}

using System.Globalization;
using ManyHands.Calls;
using ManyHands.Platform;
using ManyHands.Serialization;
using ManyHands.Transport;

namespace ManyHands.Workers;

/// <summary>Who gives work to a <see cref="WorkerLink"/> and hears what becomes of it. All calls come on the link's own thread.</summary>
internal interface IWorkerLinkOwner
{
    /// <summary>The process exists; its id is known.</summary>
    void OnSpawned(WorkerLink link);

    /// <summary>The worker has run its initializer and takes calls.</summary>
    void OnReady(WorkerLink link);

    /// <summary>The call's function is about to be called: from here on it counts as run.</summary>
    void OnStarted(WorkerLink link, long call);

    /// <summary>The call has ended. The payload is valid during this call only.</summary>
    void OnEnded(WorkerLink link, long call, OutcomeKind kind, ReadOnlyMemory<byte> payload, TimeSpan runTime);

    void OnProgress(WorkerLink link, long call, int receiver, ReadOnlyMemory<byte> value);

    /// <summary>The call came back unstarted, because it was cancelled or recalled.</summary>
    void OnReturned(WorkerLink link, long call);

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

    /// <summary>Runs before the worker is ready; null for none. Shared by all workers of a pool.</summary>
    public PendingCall? Initializer { get; init; }

    /// <summary>One function and then the end: what it throws also goes to standard error, and the exit code tells.</summary>
    public bool EndsWithFirstCall { get; init; }
}

/// <summary>
/// The parent's side of one worker process: starts it, sends calls, routes what comes back, and tells its end. One thread per worker, so that nothing of
/// ours waits for the thread pool.
/// </summary>
internal sealed class WorkerLink
{
    /// <summary>The number of the initializer's call; real calls count from 1.</summary>
    private const long InitializerCall = 0;

    private static readonly TimeSpan EndTime = TimeSpan.FromSeconds(2);

    private readonly WorkerSettings settings;
    private readonly IWorkerLinkOwner owner;
    private readonly Lock gate = new();
    private readonly HashSet<int> knownFunctions = [];
    private readonly List<Deadline> killDeadlines = [];
    private ChildProcess? child;
    private Exception? initializerFailure;
    private string? reason;
    private bool wasReady;
    private bool killed;
    private bool gone;

    public WorkerLink(WorkerSettings settings, IWorkerLinkOwner owner)
    {
        this.settings = settings;
        this.owner = owner;
    }

    public string Name => settings.Name;

    /// <summary>Zero until the process has started.</summary>
    public int ProcessId { get; private set; }

    /// <summary>Starts the process and returns at once; the owner hears the rest.</summary>
    public void Start() => new Thread(Run) { Name = $"ManyHands {Name}", IsBackground = true }.UnsafeStart();

    /// <summary>Sends a call. False if the worker is gone, and then the call was not sent.</summary>
    public bool Send(PendingCall call)
    {
        lock (gate)
        {
            if (gone || child is null)
                return false;
            Send(call, call.Id);
            return true;
        }
    }

    /// <summary>Cancels the token of a call that runs, or asks for one back that hasn't started.</summary>
    public void Cancel(long call) => SendControl(FrameKind.Cancel, call);

    /// <summary>Asks for all calls back that haven't started.</summary>
    public void Recall() => SendControl(FrameKind.Recall, 0);

    /// <summary>Lets it end by itself when its calls have ended.</summary>
    /// <param name="within">After this time it is killed; null lets it take the time it needs.</param>
    public void Shutdown(TimeSpan? within)
    {
        SendControl(FrameKind.Shutdown, 0);
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
                killDeadlines.Add(Deadlines.After(time, () => Kill(why)));
        }
    }

    private void SendControl(FrameKind kind, long id)
    {
        lock (gate)
        {
            if (!gone)
                child?.Channel.Send(kind, id);
        }
    }

    private void Send(PendingCall call, long id)
    {
        if (knownFunctions.Add(call.Function.Id))
            child!.Channel.Send(FrameKind.Define, call.Function.Id, call.Function.Definition);
        Span<byte> prefix = stackalloc byte[sizeof(int)];
        System.Buffers.Binary.BinaryPrimitives.WriteInt32LittleEndian(prefix, call.Function.Id);
        child!.Channel.Send(FrameKind.Call, id, call.Payload.WrittenSpan, prefix);
    }

    private void Run()
    {
        ChildProcess started;
        try
        {
            started = ChildProcess.Start(new ChildStart
            {
                Name = Name,
                Environment = settings.Environment,
                WorkingDirectory = settings.WorkingDirectory,
                Output = settings.Output,
                Portable = settings.Portable,
            });
        }
        catch (Exception failure)
        {
            lock (gate)
                gone = true;
            owner.OnGone(this, new WorkerGone(null, failure, WasReady: false));
            return;
        }

        Deadline startDeadline = Deadlines.After(
            settings.StartTimeout,
            () => Kill($"it was not ready within the start timeout of {settings.StartTimeout.TotalSeconds:0.#} s"));
        lock (gate)
        {
            child = started;
            ProcessId = started.Id;
            started.Channel.Send(FrameKind.Setup, 0, SetupPayload());
            if (settings.Initializer is not null)
                Send(settings.Initializer, InitializerCall);
            if (killed)
                started.Kill();
        }

        owner.OnSpawned(this);
        try
        {
            while (started.Channel.TryReceive(out Frame frame))
                Handle(frame, startDeadline);
        }
        catch (Exception damage) when (damage is InvalidDataException or InvalidPayloadException)
        {
            Kill($"it sent something that can't be understood: {damage.Message}");
        }

        startDeadline.Cancel();
        owner.OnGone(this, End(started));
    }

    private WorkerGone End(ChildProcess ended)
    {
        // The channel's end is the process's end, but for one that closed its descriptors and lives on.
        if (!ended.WaitForEnd(EndTime, out ProcessEnd end))
        {
            Kill("it closed its connection to this process");
            ended.WaitForEnd(EndTime, out end);
        }

        WorkerExit exit = new()
        {
            ProcessId = ended.Id,
            ExitCode = end.ExitCode,
            Signal = end.Signal,
            RunTime = ended.RunTime,
            LastErrorLines = ended.Output.LastErrorLines,
            Reason = reason,
        };
        lock (gate)
        {
            gone = true;
            killDeadlines.ForEach(deadline => deadline.Cancel());
            ended.Dispose();
        }

        return new WorkerGone(exit, initializerFailure, wasReady);
    }

    private void Handle(Frame frame, Deadline startDeadline)
    {
        switch (frame.Kind)
        {
            case FrameKind.Ready:
                startDeadline.Cancel();
                if (settings.Initializer is null)
                    BecomeReady();
                break;
            case FrameKind.Started:
                if (frame.Id != InitializerCall)
                    owner.OnStarted(this, frame.Id);
                break;
            case FrameKind.Ended:
                child!.DrainOutput((frame.Flags & Frame.WroteOutput) != 0);
                OutcomeKind kind = (OutcomeKind)(frame.Flags & ~Frame.WroteOutput);
                if (frame.Id == InitializerCall)
                    InitializerEnded(kind, frame.Payload);
                else
                    owner.OnEnded(this, frame.Id, kind, frame.Payload, frame.RunTimeSpan);
                break;
            case FrameKind.Progress:
                PayloadReader reader = new(frame.Payload);
                int receiver = reader.ReadUnmanaged<int>();
                owner.OnProgress(this, frame.Id, receiver, frame.Payload[sizeof(int)..]);
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

    private byte[] SetupPayload()
    {
        using PayloadWriter writer = new();
        writer.WriteString(Name);
        writer.WriteString(CultureInfo.CurrentCulture.Name);
        writer.WriteString(CultureInfo.CurrentUICulture.Name);
        writer.WriteUnmanaged(settings.EndsWithFirstCall);
        return writer.WrittenSpan.ToArray();
    }
}

using System.Diagnostics;
using ManyHands.Managers;
using ManyHands.Platform;
using ManyHands.Serialization;

namespace ManyHands;

/// <summary>
/// Runs calls of a manager's pool in a pool of this process. With <see cref="Pool.Processes"/> a call that crashes or never ends costs a child process and not the worker; with the other engines it shares the worker's process.
/// </summary>
/// <remarks>
/// <para>It takes calls when it has room, and some ahead, so that the way to the manager doesn't leave it idle; it gives those back when others have nothing to do. Before a function is called the manager is told, so that no call runs twice whatever dies.</para>
/// <para>If the connection is lost, the calls that it has are cancelled (the manager has given them up), and it goes on when the client has another. If its process is killed, calls that it had started fail with
/// <see cref="WorkerCrashedException"/>, and others go to other workers.</para>
/// </remarks>
/// <example><code>
/// await using ManagerClient client = await ManagerClient.ConnectAsync(endPoint, key);
/// await RemoteWorker.RunAsync(client, "renderers", new RemoteFunctions().AddMethodsOf(typeof(Rendering)), Pool.Processes(4), cancellationToken: untilStopped);
/// </code></example>
[DebuggerDisplay("{Name}: {RunningCalls} running")]
public sealed class RemoteWorker : IAsyncDisposable
{
    /// <summary>How long the manager may take to be told of the end.</summary>
    private static readonly TimeSpan Farewell = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(500);

    private readonly ManagerClient client;
    private readonly RemotePoolObject port;
    private readonly RemoteFunctions functions;
    private readonly Pool pool;
    private readonly RemoteWorkerOptions options;
    private readonly CancellationTokenSource closing = new();
    private readonly TaskCompletionSource drained = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource closed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock gate = new();
    private readonly HashSet<WorkerCall> running = [];
    private Membership membership = null!;
    private Task serving = Task.CompletedTask;
    private bool isLeaving;

    private RemoteWorker(ManagerClient client, RemotePoolObject port, RemoteFunctions functions, Pool pool, RemoteWorkerOptions options)
    {
        this.client = client;
        this.port = port;
        this.functions = functions;
        this.pool = pool;
        this.options = options;
        Capacity = options.Capacity ?? Math.Max(1, pool.Statistics.WorkerLimit);
    }

    /// <summary>How it is called in statistics and messages.</summary>
    public string Name => options.Name;

    /// <summary>How many calls it runs at a time.</summary>
    public int Capacity { get; }

    /// <summary>How many calls run now.</summary>
    public int RunningCalls
    {
        get
        {
            lock (gate)
                return running.Count;
        }
    }

    /// <summary>Begins to work for a pool.</summary>
    /// <param name="client">The way to the manager. The worker doesn't dispose of it; dispose of the worker first.</param>
    /// <param name="name">What the manager has registered the pool as, with <see cref="ManagerServer.RegisterPool"/>.</param>
    /// <param name="functions">What calls may name.</param>
    /// <param name="pool">What runs them. It is the worker's from now on, which disposes of it, also if it can't begin.</param>
    /// <param name="options">Null for the defaults.</param>
    /// <param name="cancellationToken">Ends the attempt.</param>
    /// <returns>The worker, when the manager knows of it.</returns>
    /// <exception cref="ManagerException">The manager has no such pool.</exception>
    /// <exception cref="ConnectionLostException">There is no connection.</exception>
    /// <exception cref="ObjectDisposedException">The client was disposed of.</exception>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    public static async Task<RemoteWorker> StartAsync(ManagerClient client, string name, RemoteFunctions functions, Pool pool, RemoteWorkerOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(client);
        ArgumentNullException.ThrowIfNull(functions);
        ArgumentNullException.ThrowIfNull(pool);
        RemoteWorker? worker = null;
        try
        {
            options ??= new();
            options.Validate();
            cancellationToken.ThrowIfCancellationRequested();
            RemotePoolObject port = await Task.Run(() => client.GetPool(name), cancellationToken).ConfigureAwait(false);
            worker = new(client, port, functions, pool, options);
            worker.membership = await worker.JoinAsync(cancellationToken).ConfigureAwait(false);
            worker.serving = Task.Run(worker.ServeAsync, CancellationToken.None);
            return worker;
        }
        catch
        {
            worker?.closing.Dispose();
            await pool.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Works for a pool until the token says otherwise, then ends in good order: the whole life of a worker in a program of its own.</summary>
    /// <inheritdoc cref="StartAsync"/>
    /// <param name="client">The way to the manager, which isn't disposed of.</param>
    /// <param name="name">What the manager has registered the pool as.</param>
    /// <param name="functions">What calls may name.</param>
    /// <param name="pool">What runs them; it is disposed of in the end.</param>
    /// <param name="options">Null for the defaults.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>A task that ends with the worker, without an exception if that was the token's doing.</returns>
    public static async Task RunAsync(ManagerClient client, string name, RemoteFunctions functions, Pool pool, RemoteWorkerOptions? options = null, CancellationToken cancellationToken = default)
    {
        RemoteWorker worker = await StartAsync(client, name, functions, pool, options, CancellationToken.None).ConfigureAwait(false);
        await using (worker.ConfigureAwait(false))
            await worker.serving.WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    /// <summary>
    /// Takes no more calls, gives back what it hasn't begun, waits for what runs, at most as long as <see cref="RemoteWorkerOptions.ShutdownTimeout"/> says, leaves the manager's pool, and disposes of its own. Safe to call more than once.
    /// </summary>
    public async ValueTask DisposeAsync()
    {
        Membership last;
        WorkerCall[] ahead;
        bool isFirst;
        lock (gate)
        {
            isFirst = !isLeaving;
            isLeaving = true;
            last = membership;
            ahead = [.. last.Ahead];
            last.Ahead.Clear();
            if (running.Count == 0)
                drained.TrySetResult();
        }

        if (!isFirst)
        {
            await closed.Task.ConfigureAwait(false);
            return;
        }

        Tell(last, ahead, PoolNews.Returned);
        await SayLeavingAsync(last, isGone: false).ConfigureAwait(false);
        await drained.Task.WaitAsync(options.ShutdownTimeout).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        Forsake();
        await SayLeavingAsync(last, isGone: true).ConfigureAwait(false);
        await closing.CancelAsync().ConfigureAwait(false);
        await serving.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (!drained.Task.IsCompleted)
            pool.Kill();
        await pool.DisposeAsync().ConfigureAwait(false);
        closing.Dispose();
        closed.TrySetResult();
    }

    private async Task ServeAsync()
    {
        while (!closing.IsCancellationRequested)
        {
            Membership own = membership;
            try
            {
                await TakeOrdersAsync(own).ConfigureAwait(false);
            }
            catch (Exception reason)
            {
                await OnSurpriseAsync(reason).ConfigureAwait(false);

                // To the manager this worker is gone, with all that it had; if it isn't yet, it is now.
                Forsake();
                await SayLeavingAsync(own, isGone: true).ConfigureAwait(false);
            }

            if (!await JoinAgainAsync().ConfigureAwait(false))
                return;
        }
    }

    /// <summary>Tells what nobody foresaw, and doesn't let it come again at once.</summary>
    private async Task OnSurpriseAsync(Exception reason)
    {
        if (IsNoSurprise(reason))
            return;
        Guarded.Fail(GuardedEntry.RemoteWorker, this, reason, static worker => $"the worker '{worker.Name}' of the pool '{worker.port.Name}', which gives up what it has and joins again");
        await Task.Delay(Pause, closing.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private static bool IsNoSurprise(Exception reason) => reason is ConnectionLostException or ManagerException or ObjectDisposedException or TimeoutException or OperationCanceledException;

    private async Task<bool> JoinAgainAsync()
    {
        while (client.State != ManagerClientState.Closed)
        {
            lock (gate)
            {
                if (isLeaving)
                    return false;
            }

            try
            {
                Membership joined = await JoinAsync(closing.Token).ConfigureAwait(false);
                lock (gate)
                {
                    if (!isLeaving)
                    {
                        membership = joined;
                        return true;
                    }
                }

                await SayLeavingAsync(joined, isGone: true).ConfigureAwait(false);
                return false;
            }
            catch (Exception reason)
            {
                await OnSurpriseAsync(reason).ConfigureAwait(false);

                // The client tries for a connection, and gives up now and then; a manager that starts again may not have registered the pool yet.
                await Task.Delay(Pause, closing.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }

        return false;
    }

    private async Task<Membership> JoinAsync(CancellationToken token)
    {
        using PayloadWriter body = new();
        body.WriteUnmanaged(Capacity);
        body.WriteString(options.Name);
        body.WriteUnmanaged(Environment.ProcessId);
        (long number, int largest) = port.ReadJoined(await port.JoinAsync(body.WrittenMemory, token).ConfigureAwait(false));
        return new Membership(number, largest, port.Link.Epoch);
    }

    private async Task TakeOrdersAsync(Membership own)
    {
        byte[] body = BitConverter.GetBytes(own.Number);
        while (true)
            Follow(own, port.ReadOrders(await port.AskAsync(Operation.PoolTake, body, closing.Token).ConfigureAwait(false)));
    }

    private void Follow(Membership own, (PoolOrder Order, long Ticket, ReadOnlyMemory<byte> Message)[] orders)
    {
        FaultPoint.Enter(GuardedEntry.RemoteWorker);
        List<WorkerCall> starting = [], returned = [], canceled = [];
        List<WorkerCall>? stopping = null;
        lock (gate)
        {
            foreach ((PoolOrder order, long ticket, ReadOnlyMemory<byte> message) in orders)
            {
                WorkerCall? known = own.Calls.GetValueOrDefault(ticket);
                switch (order)
                {
                    case PoolOrder.Run:
                        WorkerCall call = new(own, ticket, message);
                        if (isLeaving)
                            returned.Add(call);
                        else
                            Accept(call, starting);
                        break;
                    case PoolOrder.Recall when known is not null && own.Ahead.Remove(known):
                        own.Calls.Remove(ticket);
                        returned.Add(known);
                        break;
                    case PoolOrder.Cancel when known is not null && own.Ahead.Remove(known):
                        own.Calls.Remove(ticket);
                        canceled.Add(known);
                        break;
                    case PoolOrder.Cancel when known is not null:
                        (stopping ??= []).Add(known);
                        break;
                }
            }
        }

        stopping?.ForEach(static call => call.Cancel());
        foreach (WorkerCall call in canceled)
            TellEnded(call, PoolOutcome.Canceled, default, null);
        Tell(own, returned, PoolNews.Returned);
        if (starting.Count > 0)
        {
            Tell(own, starting, PoolNews.Started);
            Begin(starting);
        }
    }

    // Under the gate.
    private void Accept(WorkerCall call, List<WorkerCall> starting)
    {
        call.Membership.Calls.Add(call.Ticket, call);
        if (running.Count < Capacity)
        {
            running.Add(call);
            starting.Add(call);
        }
        else
        {
            call.Membership.Ahead.AddLast(call);
        }
    }

    /// <summary>Calls the functions as soon as nothing can keep the manager from hearing that they have begun.</summary>
    private void Begin(List<WorkerCall> calls)
    {
        Task said = port.Link.SentAsync();
        if (!said.IsCompleted)
        {
            Guarded.OnEnded(
                GuardedEntry.RemoteWorkerCall,
                said,
                (Worker: this, Calls: calls),
                static one => one.Calls.ForEach(one.Worker.Begin),
                static one => $"calls of the worker '{one.Worker.Name}', which failed",
                static (one, reason) => one.Calls.ForEach(call => one.Worker.Fail(call, reason)));
            return;
        }

        foreach (WorkerCall call in calls)
            Begin(call);
    }

    private void Begin(WorkerCall call)
    {
        // If the connection has ended, what was said of it may have gone nowhere, and the manager may give the call to another.
        if (!port.Link.IsCurrent(call.Membership.Epoch))
        {
            WorkerCall? next = Remove(call);
            call.Stop.Dispose();
            if (next is not null)
                Begin(next);
            EndIfDrained();
            return;
        }

        // A pool that runs calls in their caller would hold up whoever takes orders.
        if (pool.RunsInCaller)
            Guarded.Queue(GuardedEntry.RemoteWorkerCall, (Worker: this, Call: call), static one => _ = one.Worker.RunAsync(one.Call), static one => one.Call.Describe(), static (one, reason) => one.Worker.Fail(one.Call, reason));
        else
            _ = RunAsync(call);
    }

    /// <summary>Runs a call to its end. Never throws.</summary>
    private async Task RunAsync(WorkerCall call)
    {
        try
        {
            FaultPoint.Enter(GuardedEntry.RemoteWorkerCall);
            await RunToEndAsync(call).ConfigureAwait(false);
        }
        catch (Exception reason)
        {
            Guarded.Fail(GuardedEntry.RemoteWorkerCall, (Worker: this, Call: call), reason, static one => one.Call.Describe(), static (one, reason) => one.Worker.Fail(one.Call, reason));
        }
    }

    /// <summary>What nobody foresaw happened to it: its caller hears that.</summary>
    private void Fail(WorkerCall call, Exception reason)
    {
        using PayloadWriter answer = new();
        Calls.RemoteFailure.Write(answer, reason);
        OnEnded(call, PoolOutcome.Threw, answer);
    }

    private async Task RunToEndAsync(WorkerCall call)
    {
        using PayloadWriter answer = new();
        PoolOutcome outcome;
        try
        {
            PoolCallMessage head = PoolCallMessage.Read(call.Message);
            call.Name = head.Name;
            if (functions.Find(head, Name, out string why) is not { } function)
            {
                TellLacking(call, why);
                return;
            }

            CallOptions own = new() { Name = head.Name, Timeout = head.Timeout, Grace = head.Grace };
            await function.RunAsync(pool, call.Message[head.ArgumentsAt..], new WorkerCallSide(this, call), own, answer).ConfigureAwait(false);
            outcome = PoolOutcome.Result;
        }
        catch (Exception failure)
        {
            answer.Clear();
            outcome = WorkerCallSide.Describe(failure, call, answer);
        }

        if (answer.Length + 64 > call.Membership.Largest)
        {
            string size = $"it has {answer.Length:N0} bytes, and a message may have {call.Membership.Largest:N0} (ManagerOptions.MaxMessageSize). Return it in parts, or put it into a file and return its name.";
            answer.Clear();
            answer.WriteString($"the result can't travel back: {size}");
            outcome = PoolOutcome.ResultUnsendable;
        }

        OnEnded(call, outcome, answer);
    }

    private void OnEnded(WorkerCall call, PoolOutcome outcome, PayloadWriter answer)
    {
        WorkerCall? next = Remove(call);
        TellEnded(call, outcome, answer.WrittenSpan, next);
        call.Stop.Dispose();
        if (next is not null)
            Begin([next]);
        EndIfDrained();
    }

    private void TellLacking(WorkerCall call, string why)
    {
        using PayloadWriter news = NewsOf(call.Membership);
        news.WriteByte((byte)PoolNews.Lacking);
        news.WriteUnmanaged(call.Ticket);
        news.WriteString(why);
        WorkerCall? next = Remove(call);
        WriteStarted(news, next);
        Post(call.Membership, news);
        call.Stop.Dispose();
        if (next is not null)
            Begin([next]);
        EndIfDrained();
    }

    /// <summary>A place is free.</summary>
    /// <returns>Who has it now.</returns>
    private WorkerCall? Remove(WorkerCall call)
    {
        lock (gate)
        {
            running.Remove(call);
            call.Membership.Calls.Remove(call.Ticket);
            Membership now = membership;
            if (isLeaving || running.Count >= Capacity || now.Ahead.First is not { Value: var next })
                return null;
            now.Ahead.RemoveFirst();
            running.Add(next);

            // What is started by the end of a call from before the connection was lost has to be told by itself.
            if (next.Membership == call.Membership)
                return next;
            Guarded.Queue(
                GuardedEntry.RemoteWorkerCall,
                (Worker: this, Call: next),
                static one =>
                {
                    one.Worker.Tell(one.Call.Membership, [one.Call], PoolNews.Started);
                    one.Worker.Begin([one.Call]);
                },
                static one => one.Call.Describe(),
                static (one, reason) => one.Worker.Fail(one.Call, reason));
            return null;
        }
    }

    private void EndIfDrained()
    {
        lock (gate)
        {
            if (isLeaving && running.Count == 0)
                drained.TrySetResult();
        }
    }

    /// <summary>The manager has given up what this worker has.</summary>
    private void Forsake()
    {
        WorkerCall[] calls;
        lock (gate)
        {
            calls = [.. running];
            membership.IsOver = true;
            membership.Ahead.Clear();
            membership.Calls.Clear();
        }

        foreach (WorkerCall call in calls)
            call.Cancel();
    }

    private async Task SayLeavingAsync(Membership own, bool isGone)
    {
        if (own.IsOver && !isGone)
            return;
        using CancellationTokenSource limit = new(Farewell);
        using PayloadWriter body = new();
        body.WriteUnmanaged(own.Number);
        body.WriteByte(isGone ? (byte)1 : (byte)0);
        try
        {
            if (client.State == ManagerClientState.Connected)
                await port.AskAsync(Operation.PoolLeave, body.WrittenMemory, limit.Token).ConfigureAwait(false);
        }
        catch (Exception reason)
        {
            // Then it learns by the end of the connection.
            if (!IsNoSurprise(reason))
                Guarded.Fail(GuardedEntry.RemoteWorker, this, reason, static worker => $"the worker '{worker.Name}', which couldn't say that it leaves");
        }
    }

    private void TellEnded(WorkerCall call, PoolOutcome outcome, ReadOnlySpan<byte> payload, WorkerCall? next)
    {
        using PayloadWriter news = NewsOf(call.Membership);
        news.WriteByte((byte)PoolNews.Ended);
        news.WriteUnmanaged(call.Ticket);
        news.WriteByte((byte)outcome);
        HostedObject.WriteBlock(news, payload);
        WriteStarted(news, next);
        Post(call.Membership, news);
    }

    private void TellReport(WorkerCall call, int receiver, ReadOnlySpan<byte> value)
    {
        using PayloadWriter news = NewsOf(call.Membership);
        news.WriteByte((byte)PoolNews.Report);
        news.WriteUnmanaged(call.Ticket);
        news.WriteUnmanaged(receiver);
        HostedObject.WriteBlock(news, value);
        Post(call.Membership, news);
    }

    private void Tell(Membership own, IReadOnlyCollection<WorkerCall> calls, PoolNews what)
    {
        if (calls.Count == 0)
            return;
        using PayloadWriter news = NewsOf(own);
        foreach (WorkerCall call in calls)
        {
            news.WriteByte((byte)what);
            news.WriteUnmanaged(call.Ticket);
        }

        Post(own, news);
    }

    private static void WriteStarted(PayloadWriter news, WorkerCall? next)
    {
        if (next is null)
            return;
        news.WriteByte((byte)PoolNews.Started);
        news.WriteUnmanaged(next.Ticket);
    }

    private static PayloadWriter NewsOf(Membership own)
    {
        PayloadWriter news = new();
        news.WriteUnmanaged(own.Number);
        return news;
    }

    private void Post(Membership own, PayloadWriter news)
    {
        if (!own.IsOver)
            port.Post(Operation.PoolTell, news.WrittenMemory);
    }

    /// <summary>As whom the manager knows this worker, as long as the connection lasts.</summary>
    private sealed class Membership(long number, int largest, object? epoch)
    {
        public long Number => number;

        /// <summary>The connection.</summary>
        public object? Epoch => epoch;

        public int Largest => largest;

        /// <summary>What the manager thinks that it has. Guarded by the worker's gate.</summary>
        public Dictionary<long, WorkerCall> Calls { get; } = [];

        /// <summary>Those of them that wait for a place.</summary>
        public LinkedList<WorkerCall> Ahead { get; } = new();

        public bool IsOver { get; set; }
    }

#pragma warning disable CA1001 // Its source is disposed of where the call ends.
    private sealed class WorkerCall(Membership membership, long ticket, ReadOnlyMemory<byte> message)
#pragma warning restore CA1001
    {
        public Membership Membership => membership;

        public long Ticket => ticket;

        public ReadOnlyMemory<byte> Message => message;

        /// <summary>What its caller calls it.</summary>
        public string Name { get; set; } = "";

        public CancellationTokenSource Stop { get; } = new();

        public string Describe() => $"the call {(Name.Length > 0 ? Name : Ticket.ToString(System.Globalization.CultureInfo.InvariantCulture))} of a manager's pool, which failed";

        /// <summary>Cancels its token, elsewhere: what follows a token is code of the application's.</summary>
        public void Cancel()
        {
            try
            {
                Guarded.Watch(GuardedEntry.RemoteWorkerCall, Stop.CancelAsync(), this, static call => $"what follows the token of {call.Name}");
            }
            catch (ObjectDisposedException)
            {
                // It ended at this very moment.
            }
        }
    }

    /// <summary>What a call carries besides values, on the worker's side.</summary>
    private sealed class WorkerCallSide(RemoteWorker worker, WorkerCall call) : Calls.WorkerSide
    {
        public override CancellationToken Token { get; } = call.Stop.Token;

        /// <summary>Writes what a call ended with that isn't a result.</summary>
        public static PoolOutcome Describe(Exception failure, WorkerCall call, PayloadWriter answer)
        {
            switch (failure)
            {
                case OperationCanceledException when call.Stop.IsCancellationRequested:
                    return PoolOutcome.Canceled;
                case CallTimeoutException:
                    return PoolOutcome.TimedOut;
                case WorkerCrashedException crash:
                    CrashReport.Write(answer, ExceptionText.MessageOf(crash), crash.Exit, crash.RanFor);
                    return PoolOutcome.Crashed;
                case PoolBrokenException:
                    answer.WriteString(ExceptionText.MessageOf(failure));
                    return PoolOutcome.Broken;
                case ArgumentsUnreadableException:
                    answer.WriteString(ExceptionText.MessageOf(failure));
                    return PoolOutcome.Undecodable;
                case Calls.UnsendableResultException or UnsendableCallException:
                    // The caller's side puts the name in front, too.
                    string own = call.Name + ": ";
                    answer.WriteString(ExceptionText.MessageOf(failure).StartsWith(own, StringComparison.Ordinal) ? ExceptionText.MessageOf(failure)[own.Length..] : ExceptionText.MessageOf(failure));
                    return PoolOutcome.ResultUnsendable;
                default:
                    Calls.RemoteFailure.Write(answer, failure);
                    return PoolOutcome.Threw;
            }
        }

        protected override Action<int, PayloadWriter> ReportSender() => (number, report) => worker.TellReport(call, number, report.WrittenSpan);
    }
}

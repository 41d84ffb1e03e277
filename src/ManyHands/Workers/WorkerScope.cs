using ManyHands.Platform;

namespace ManyHands;

/// <summary>
/// Owns the workers that are started in it, of whatever kind: none outlives the scope, the first failure cancels the rest, and errors come together
/// at its end.
/// </summary>
/// <example><code>
/// await WorkerScope.RunAsync(async scope =>
/// {
///     scope.Add(WorkerThread.Start(Watch, folder));
///     var count = WorkerProcess.Start(Count, folder);
///     scope.Add(count);
///     Console.WriteLine(await count);
/// });
/// </code></example>
public sealed class WorkerScope
{
    private readonly Lock gate = new();
    private readonly List<Worker> workers = [];
    private readonly List<Exception> failures = [];
    private readonly CancellationTokenSource stopping;
    private bool ended;

    private WorkerScope(CancellationToken cancellationToken)
    {
        stopping = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        CancellationToken = stopping.Token;
    }

    /// <summary>Cancelled when the scope's work is to stop: after the first failure, or by the caller.</summary>
    public CancellationToken CancellationToken { get; }

    /// <summary>Runs a body that starts workers, and ends when the body and all workers have ended.</summary>
    /// <param name="body">Gets the scope; adds to it what it starts.</param>
    /// <param name="cancellationToken">Cancels all workers of the scope.</param>
    /// <exception cref="AggregateException">The body or workers failed; it holds what each threw, the first failure first.</exception>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> was cancelled and nothing else failed.</exception>
    public static async Task RunAsync(Func<WorkerScope, Task> body, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(body);
        cancellationToken.ThrowIfCancellationRequested();
        WorkerScope scope = new(cancellationToken);
        using (Guarded.OnCanceled(GuardedEntry.ScopeCancellation, cancellationToken, scope, static scope => scope.CancelAll(), static _ => "a scope of workers", static (scope, _) => scope.CancelAll()))
        {
            try
            {
                await body(scope).ConfigureAwait(false);
            }
            catch (Exception failure)
            {
                scope.Fail(failure, except: null);
            }

            await scope.JoinAllAsync().ConfigureAwait(false);
        }

        scope.stopping.Dispose();
        if (scope.failures.Count > 0)
            throw new AggregateException("The scope ended with failures; the first one cancelled the rest.", scope.failures);
        cancellationToken.ThrowIfCancellationRequested();
    }

    /// <summary>Hands a started worker to the scope.</summary>
    /// <exception cref="InvalidOperationException">The scope has ended, or the worker wasn't started.</exception>
    public void Add(Worker worker)
    {
        ArgumentNullException.ThrowIfNull(worker);
        worker.CheckJoinable();
        bool stop;
        lock (gate)
        {
            if (ended)
                throw new InvalidOperationException($"The scope has ended; {worker.Name} can't be added to it any more.");
            workers.Add(worker);
            stop = stopping.IsCancellationRequested;
        }

        if (stop)
            Stop(worker);
        worker.Outcome.ContinueWith(
            task => Fail(task.Exception!.InnerException!, worker),
            CancellationToken.None,
            TaskContinuationOptions.OnlyOnFaulted,
            TaskScheduler.Default);
    }

    private void Fail(Exception failure, Worker? except)
    {
        lock (gate)
        {
            // The body that awaits a failed worker throws the same exception again.
            if (failures.Contains(failure))
                return;

            // What others throw because they were cancelled is no failure of their own.
            if (failure is OperationCanceledException && stopping.IsCancellationRequested)
                return;
            failures.Add(failure);
        }

        _ = stopping.CancelAsync();
        CancelAll(except);
    }

    private void CancelAll(Worker? except = null)
    {
        Worker[] all;
        lock (gate)
            all = [.. workers];
        foreach (Worker worker in all)
        {
            if (worker != except && !worker.Outcome.IsCompleted)
                Stop(worker);
        }
    }

    // A process can be made to stop; the others can only be asked.
    private static void Stop(Worker worker)
    {
        if (worker is WorkerProcess process)
            process.Terminate();
        else
            worker.Cancel();
    }

    private async Task JoinAllAsync()
    {
        for (int joined = 0; ; joined++)
        {
            Worker worker;
            lock (gate)
            {
                // Workers may add workers; the scope ends when none is left to join.
                if (joined == workers.Count)
                {
                    ended = true;
                    return;
                }

                worker = workers[joined];
            }

            await worker.Outcome.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (worker.Exception is { } failure)
                Fail(failure, worker);
        }
    }
}

using ManyHands.Calls;
using ManyHands.Serialization;

namespace ManyHands;

// Every form of function that a thread can run, with up to three arguments.
public partial class WorkerThread
{
    /// <summary>Starts a function on a thread of its own.</summary>
    /// <param name="function">The function; it may take a trailing <see cref="CancellationToken"/>, which <see cref="Worker.Cancel"/> cancels.</param>
    /// <param name="name">Null for <c>Thread-1</c>, <c>Thread-2</c>, …</param>
    /// <returns>The running worker.</returns>
    public static WorkerThread Start(Action function, string? name = null) =>
        new WorkerThread<NoResult>(new Call<Arguments, NoResult>(function, default), name).Started();

    /// <inheritdoc cref="Start(Action, string?)"/>
    public static WorkerThread Start<T>(Action<T> function, T argument, string? name = null) =>
        new WorkerThread<NoResult>(new Call<Arguments<T>, NoResult>(function, new(argument)), name).Started();

    /// <inheritdoc cref="Start(Action, string?)"/>
    public static WorkerThread Start<T1, T2>(Action<T1, T2> function, T1 first, T2 second, string? name = null) =>
        new WorkerThread<NoResult>(new Call<Arguments<T1, T2>, NoResult>(function, new(first, second)), name).Started();

    /// <inheritdoc cref="Start(Action, string?)"/>
    public static WorkerThread Start<T1, T2, T3>(Action<T1, T2, T3> function, T1 first, T2 second, T3 third, string? name = null) =>
        new WorkerThread<NoResult>(new Call<Arguments<T1, T2, T3>, NoResult>(function, new(first, second, third)), name).Started();

    /// <inheritdoc cref="Start(Action, string?)"/>
    public static WorkerThread Start(Action<CancellationToken> function, string? name = null) =>
        new WorkerThread<NoResult>(new Call<Arguments, NoResult>(function, default), name).Started();

    /// <inheritdoc cref="Start(Action, string?)"/>
    public static WorkerThread Start<T>(Action<T, CancellationToken> function, T argument, string? name = null) =>
        new WorkerThread<NoResult>(new Call<Arguments<T>, NoResult>(function, new(argument)), name).Started();

    /// <inheritdoc cref="Start(Action, string?)"/>
    public static WorkerThread Start<T1, T2>(Action<T1, T2, CancellationToken> function, T1 first, T2 second, string? name = null) =>
        new WorkerThread<NoResult>(new Call<Arguments<T1, T2>, NoResult>(function, new(first, second)), name).Started();

    /// <inheritdoc cref="Start(Action, string?)"/>
    public static WorkerThread Start<T1, T2, T3>(Action<T1, T2, T3, CancellationToken> function, T1 first, T2 second, T3 third, string? name = null) =>
        new WorkerThread<NoResult>(new Call<Arguments<T1, T2, T3>, NoResult>(function, new(first, second, third)), name).Started();

    /// <inheritdoc cref="Start(Action, string?)"/>
    public static WorkerThread<TResult> Start<TResult>(Func<TResult> function, string? name = null) =>
        new WorkerThread<TResult>(new Call<Arguments, TResult>(function, default), name).Started();

    /// <inheritdoc cref="Start(Action, string?)"/>
    public static WorkerThread<TResult> Start<T, TResult>(Func<T, TResult> function, T argument, string? name = null) =>
        new WorkerThread<TResult>(new Call<Arguments<T>, TResult>(function, new(argument)), name).Started();

    /// <inheritdoc cref="Start(Action, string?)"/>
    public static WorkerThread<TResult> Start<T1, T2, TResult>(Func<T1, T2, TResult> function, T1 first, T2 second, string? name = null) =>
        new WorkerThread<TResult>(new Call<Arguments<T1, T2>, TResult>(function, new(first, second)), name).Started();

    /// <inheritdoc cref="Start(Action, string?)"/>
    public static WorkerThread<TResult> Start<T1, T2, T3, TResult>(Func<T1, T2, T3, TResult> function, T1 first, T2 second, T3 third, string? name = null) =>
        new WorkerThread<TResult>(new Call<Arguments<T1, T2, T3>, TResult>(function, new(first, second, third)), name).Started();

    /// <inheritdoc cref="Start(Action, string?)"/>
    public static WorkerThread<TResult> Start<TResult>(Func<CancellationToken, TResult> function, string? name = null) =>
        new WorkerThread<TResult>(new Call<Arguments, TResult>(function, default), name).Started();

    /// <inheritdoc cref="Start(Action, string?)"/>
    public static WorkerThread<TResult> Start<T, TResult>(Func<T, CancellationToken, TResult> function, T argument, string? name = null) =>
        new WorkerThread<TResult>(new Call<Arguments<T>, TResult>(function, new(argument)), name).Started();

    /// <inheritdoc cref="Start(Action, string?)"/>
    public static WorkerThread<TResult> Start<T1, T2, TResult>(Func<T1, T2, CancellationToken, TResult> function, T1 first, T2 second, string? name = null) =>
        new WorkerThread<TResult>(new Call<Arguments<T1, T2>, TResult>(function, new(first, second)), name).Started();

    /// <inheritdoc cref="Start(Action, string?)"/>
    public static WorkerThread<TResult> Start<T1, T2, T3, TResult>(Func<T1, T2, T3, CancellationToken, TResult> function, T1 first, T2 second, T3 third, string? name = null) =>
        new WorkerThread<TResult>(new Call<Arguments<T1, T2, T3>, TResult>(function, new(first, second, third)), name).Started();
}

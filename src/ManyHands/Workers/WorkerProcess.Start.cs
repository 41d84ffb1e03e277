using ManyHands.Calls;
using ManyHands.Serialization;

namespace ManyHands;

// Every form of function that a process can run, with up to three arguments.
public partial class WorkerProcess
{
    /// <summary>Starts a function in a process of its own.</summary>
    /// <param name="function">A static method, a lambda, or a method of an object that can be copied. It may take a trailing <see cref="CancellationToken"/>, which <see cref="Cancel"/> and <see cref="Terminate()"/> cancel.</param>
    /// <param name="name">Null for <c>Process-1</c>, <c>Process-2</c>, …</param>
    /// <returns>The running worker, with its process id.</returns>
    /// <exception cref="UnsendableCallException">The function, an argument or a captured variable can't travel; the message says what to write instead.</exception>
    /// <exception cref="ArgumentException">The name has a control character in it, or half a surrogate pair.</exception>
    /// <exception cref="PlatformNotSupportedException">The program is published as a single file, self-contained, trimmed or with NativeAOT.</exception>
    /// <exception cref="IOException">The system could not start a process.</exception>
    public static WorkerProcess Start(Action function, string? name = null) =>
        new WorkerProcess<NoResult>(new Call<Arguments, NoResult>(function, default), name).Started();

    /// <inheritdoc cref="Start(Action, string?)"/>
    public static WorkerProcess Start<T>(Action<T> function, T argument, string? name = null) =>
        new WorkerProcess<NoResult>(new Call<Arguments<T>, NoResult>(function, new(argument)), name).Started();

    /// <inheritdoc cref="Start(Action, string?)"/>
    public static WorkerProcess Start<T1, T2>(Action<T1, T2> function, T1 first, T2 second, string? name = null) =>
        new WorkerProcess<NoResult>(new Call<Arguments<T1, T2>, NoResult>(function, new(first, second)), name).Started();

    /// <inheritdoc cref="Start(Action, string?)"/>
    public static WorkerProcess Start<T1, T2, T3>(Action<T1, T2, T3> function, T1 first, T2 second, T3 third, string? name = null) =>
        new WorkerProcess<NoResult>(new Call<Arguments<T1, T2, T3>, NoResult>(function, new(first, second, third)), name).Started();

    /// <inheritdoc cref="Start(Action, string?)"/>
    public static WorkerProcess Start(Action<CancellationToken> function, string? name = null) =>
        new WorkerProcess<NoResult>(new Call<Arguments, NoResult>(function, default), name).Started();

    /// <inheritdoc cref="Start(Action, string?)"/>
    public static WorkerProcess Start<T>(Action<T, CancellationToken> function, T argument, string? name = null) =>
        new WorkerProcess<NoResult>(new Call<Arguments<T>, NoResult>(function, new(argument)), name).Started();

    /// <inheritdoc cref="Start(Action, string?)"/>
    public static WorkerProcess Start<T1, T2>(Action<T1, T2, CancellationToken> function, T1 first, T2 second, string? name = null) =>
        new WorkerProcess<NoResult>(new Call<Arguments<T1, T2>, NoResult>(function, new(first, second)), name).Started();

    /// <inheritdoc cref="Start(Action, string?)"/>
    public static WorkerProcess Start<T1, T2, T3>(Action<T1, T2, T3, CancellationToken> function, T1 first, T2 second, T3 third, string? name = null) =>
        new WorkerProcess<NoResult>(new Call<Arguments<T1, T2, T3>, NoResult>(function, new(first, second, third)), name).Started();

    /// <inheritdoc cref="Start(Action, string?)"/>
    public static WorkerProcess<TResult> Start<TResult>(Func<TResult> function, string? name = null) =>
        new WorkerProcess<TResult>(new Call<Arguments, TResult>(function, default), name).Started();

    /// <inheritdoc cref="Start(Action, string?)"/>
    public static WorkerProcess<TResult> Start<T, TResult>(Func<T, TResult> function, T argument, string? name = null) =>
        new WorkerProcess<TResult>(new Call<Arguments<T>, TResult>(function, new(argument)), name).Started();

    /// <inheritdoc cref="Start(Action, string?)"/>
    public static WorkerProcess<TResult> Start<T1, T2, TResult>(Func<T1, T2, TResult> function, T1 first, T2 second, string? name = null) =>
        new WorkerProcess<TResult>(new Call<Arguments<T1, T2>, TResult>(function, new(first, second)), name).Started();

    /// <inheritdoc cref="Start(Action, string?)"/>
    public static WorkerProcess<TResult> Start<T1, T2, T3, TResult>(Func<T1, T2, T3, TResult> function, T1 first, T2 second, T3 third, string? name = null) =>
        new WorkerProcess<TResult>(new Call<Arguments<T1, T2, T3>, TResult>(function, new(first, second, third)), name).Started();

    /// <inheritdoc cref="Start(Action, string?)"/>
    public static WorkerProcess<TResult> Start<TResult>(Func<CancellationToken, TResult> function, string? name = null) =>
        new WorkerProcess<TResult>(new Call<Arguments, TResult>(function, default), name).Started();

    /// <inheritdoc cref="Start(Action, string?)"/>
    public static WorkerProcess<TResult> Start<T, TResult>(Func<T, CancellationToken, TResult> function, T argument, string? name = null) =>
        new WorkerProcess<TResult>(new Call<Arguments<T>, TResult>(function, new(argument)), name).Started();

    /// <inheritdoc cref="Start(Action, string?)"/>
    public static WorkerProcess<TResult> Start<T1, T2, TResult>(Func<T1, T2, CancellationToken, TResult> function, T1 first, T2 second, string? name = null) =>
        new WorkerProcess<TResult>(new Call<Arguments<T1, T2>, TResult>(function, new(first, second)), name).Started();

    /// <inheritdoc cref="Start(Action, string?)"/>
    public static WorkerProcess<TResult> Start<T1, T2, T3, TResult>(Func<T1, T2, T3, CancellationToken, TResult> function, T1 first, T2 second, T3 third, string? name = null) =>
        new WorkerProcess<TResult>(new Call<Arguments<T1, T2, T3>, TResult>(function, new(first, second, third)), name).Started();

    /// <inheritdoc cref="Start(Action, string?)"/>
    public static WorkerProcess Start(Func<Task> function, string? name = null) =>
        new WorkerProcess<NoResult>(new Call<Arguments, NoResult>(function, default), name).Started();

    /// <inheritdoc cref="Start(Action, string?)"/>
    public static WorkerProcess Start<T>(Func<T, Task> function, T argument, string? name = null) =>
        new WorkerProcess<NoResult>(new Call<Arguments<T>, NoResult>(function, new(argument)), name).Started();

    /// <inheritdoc cref="Start(Action, string?)"/>
    public static WorkerProcess Start<T1, T2>(Func<T1, T2, Task> function, T1 first, T2 second, string? name = null) =>
        new WorkerProcess<NoResult>(new Call<Arguments<T1, T2>, NoResult>(function, new(first, second)), name).Started();

    /// <inheritdoc cref="Start(Action, string?)"/>
    public static WorkerProcess Start<T1, T2, T3>(Func<T1, T2, T3, Task> function, T1 first, T2 second, T3 third, string? name = null) =>
        new WorkerProcess<NoResult>(new Call<Arguments<T1, T2, T3>, NoResult>(function, new(first, second, third)), name).Started();

    /// <inheritdoc cref="Start(Action, string?)"/>
    public static WorkerProcess Start(Func<CancellationToken, Task> function, string? name = null) =>
        new WorkerProcess<NoResult>(new Call<Arguments, NoResult>(function, default), name).Started();

    /// <inheritdoc cref="Start(Action, string?)"/>
    public static WorkerProcess Start<T>(Func<T, CancellationToken, Task> function, T argument, string? name = null) =>
        new WorkerProcess<NoResult>(new Call<Arguments<T>, NoResult>(function, new(argument)), name).Started();

    /// <inheritdoc cref="Start(Action, string?)"/>
    public static WorkerProcess Start<T1, T2>(Func<T1, T2, CancellationToken, Task> function, T1 first, T2 second, string? name = null) =>
        new WorkerProcess<NoResult>(new Call<Arguments<T1, T2>, NoResult>(function, new(first, second)), name).Started();

    /// <inheritdoc cref="Start(Action, string?)"/>
    public static WorkerProcess Start<T1, T2, T3>(Func<T1, T2, T3, CancellationToken, Task> function, T1 first, T2 second, T3 third, string? name = null) =>
        new WorkerProcess<NoResult>(new Call<Arguments<T1, T2, T3>, NoResult>(function, new(first, second, third)), name).Started();

    /// <inheritdoc cref="Start(Action, string?)"/>
    public static WorkerProcess<TResult> Start<TResult>(Func<Task<TResult>> function, string? name = null) =>
        new WorkerProcess<TResult>(new Call<Arguments, TResult>(function, default), name).Started();

    /// <inheritdoc cref="Start(Action, string?)"/>
    public static WorkerProcess<TResult> Start<T, TResult>(Func<T, Task<TResult>> function, T argument, string? name = null) =>
        new WorkerProcess<TResult>(new Call<Arguments<T>, TResult>(function, new(argument)), name).Started();

    /// <inheritdoc cref="Start(Action, string?)"/>
    public static WorkerProcess<TResult> Start<T1, T2, TResult>(Func<T1, T2, Task<TResult>> function, T1 first, T2 second, string? name = null) =>
        new WorkerProcess<TResult>(new Call<Arguments<T1, T2>, TResult>(function, new(first, second)), name).Started();

    /// <inheritdoc cref="Start(Action, string?)"/>
    public static WorkerProcess<TResult> Start<T1, T2, T3, TResult>(Func<T1, T2, T3, Task<TResult>> function, T1 first, T2 second, T3 third, string? name = null) =>
        new WorkerProcess<TResult>(new Call<Arguments<T1, T2, T3>, TResult>(function, new(first, second, third)), name).Started();

    /// <inheritdoc cref="Start(Action, string?)"/>
    public static WorkerProcess<TResult> Start<TResult>(Func<CancellationToken, Task<TResult>> function, string? name = null) =>
        new WorkerProcess<TResult>(new Call<Arguments, TResult>(function, default), name).Started();

    /// <inheritdoc cref="Start(Action, string?)"/>
    public static WorkerProcess<TResult> Start<T, TResult>(Func<T, CancellationToken, Task<TResult>> function, T argument, string? name = null) =>
        new WorkerProcess<TResult>(new Call<Arguments<T>, TResult>(function, new(argument)), name).Started();

    /// <inheritdoc cref="Start(Action, string?)"/>
    public static WorkerProcess<TResult> Start<T1, T2, TResult>(Func<T1, T2, CancellationToken, Task<TResult>> function, T1 first, T2 second, string? name = null) =>
        new WorkerProcess<TResult>(new Call<Arguments<T1, T2>, TResult>(function, new(first, second)), name).Started();

    /// <inheritdoc cref="Start(Action, string?)"/>
    public static WorkerProcess<TResult> Start<T1, T2, T3, TResult>(Func<T1, T2, T3, CancellationToken, Task<TResult>> function, T1 first, T2 second, T3 third, string? name = null) =>
        new WorkerProcess<TResult>(new Call<Arguments<T1, T2, T3>, TResult>(function, new(first, second, third)), name).Started();
}

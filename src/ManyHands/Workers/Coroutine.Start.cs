using ManyHands.Calls;
using ManyHands.Serialization;

namespace ManyHands;

// Every form of function that a coroutine can run, with up to three arguments.
public partial class Coroutine
{
    /// <summary>Starts an asynchronous function as a coroutine.</summary>
    /// <param name="function">The function; it may take a trailing <see cref="CancellationToken"/>, which <see cref="Worker.Cancel"/> cancels.</param>
    /// <param name="name">Null for <c>Coroutine-1</c>, <c>Coroutine-2</c>, …</param>
    /// <returns>The coroutine; its first turn comes after those that wait already.</returns>
    public static Coroutine Start(Func<Task> function, string? name = null) =>
        new Coroutine<NoResult>(new Call<Arguments, NoResult>(function, default), name).Started();

    /// <inheritdoc cref="Start(Func{Task}, string?)"/>
    public static Coroutine Start<T>(Func<T, Task> function, T argument, string? name = null) =>
        new Coroutine<NoResult>(new Call<Arguments<T>, NoResult>(function, new(argument)), name).Started();

    /// <inheritdoc cref="Start(Func{Task}, string?)"/>
    public static Coroutine Start<T1, T2>(Func<T1, T2, Task> function, T1 first, T2 second, string? name = null) =>
        new Coroutine<NoResult>(new Call<Arguments<T1, T2>, NoResult>(function, new(first, second)), name).Started();

    /// <inheritdoc cref="Start(Func{Task}, string?)"/>
    public static Coroutine Start<T1, T2, T3>(Func<T1, T2, T3, Task> function, T1 first, T2 second, T3 third, string? name = null) =>
        new Coroutine<NoResult>(new Call<Arguments<T1, T2, T3>, NoResult>(function, new(first, second, third)), name).Started();

    /// <inheritdoc cref="Start(Func{Task}, string?)"/>
    public static Coroutine Start(Func<CancellationToken, Task> function, string? name = null) =>
        new Coroutine<NoResult>(new Call<Arguments, NoResult>(function, default), name).Started();

    /// <inheritdoc cref="Start(Func{Task}, string?)"/>
    public static Coroutine Start<T>(Func<T, CancellationToken, Task> function, T argument, string? name = null) =>
        new Coroutine<NoResult>(new Call<Arguments<T>, NoResult>(function, new(argument)), name).Started();

    /// <inheritdoc cref="Start(Func{Task}, string?)"/>
    public static Coroutine Start<T1, T2>(Func<T1, T2, CancellationToken, Task> function, T1 first, T2 second, string? name = null) =>
        new Coroutine<NoResult>(new Call<Arguments<T1, T2>, NoResult>(function, new(first, second)), name).Started();

    /// <inheritdoc cref="Start(Func{Task}, string?)"/>
    public static Coroutine Start<T1, T2, T3>(Func<T1, T2, T3, CancellationToken, Task> function, T1 first, T2 second, T3 third, string? name = null) =>
        new Coroutine<NoResult>(new Call<Arguments<T1, T2, T3>, NoResult>(function, new(first, second, third)), name).Started();

    /// <inheritdoc cref="Start(Func{Task}, string?)"/>
    public static Coroutine<TResult> Start<TResult>(Func<Task<TResult>> function, string? name = null) =>
        new Coroutine<TResult>(new Call<Arguments, TResult>(function, default), name).Started();

    /// <inheritdoc cref="Start(Func{Task}, string?)"/>
    public static Coroutine<TResult> Start<T, TResult>(Func<T, Task<TResult>> function, T argument, string? name = null) =>
        new Coroutine<TResult>(new Call<Arguments<T>, TResult>(function, new(argument)), name).Started();

    /// <inheritdoc cref="Start(Func{Task}, string?)"/>
    public static Coroutine<TResult> Start<T1, T2, TResult>(Func<T1, T2, Task<TResult>> function, T1 first, T2 second, string? name = null) =>
        new Coroutine<TResult>(new Call<Arguments<T1, T2>, TResult>(function, new(first, second)), name).Started();

    /// <inheritdoc cref="Start(Func{Task}, string?)"/>
    public static Coroutine<TResult> Start<T1, T2, T3, TResult>(Func<T1, T2, T3, Task<TResult>> function, T1 first, T2 second, T3 third, string? name = null) =>
        new Coroutine<TResult>(new Call<Arguments<T1, T2, T3>, TResult>(function, new(first, second, third)), name).Started();

    /// <inheritdoc cref="Start(Func{Task}, string?)"/>
    public static Coroutine<TResult> Start<TResult>(Func<CancellationToken, Task<TResult>> function, string? name = null) =>
        new Coroutine<TResult>(new Call<Arguments, TResult>(function, default), name).Started();

    /// <inheritdoc cref="Start(Func{Task}, string?)"/>
    public static Coroutine<TResult> Start<T, TResult>(Func<T, CancellationToken, Task<TResult>> function, T argument, string? name = null) =>
        new Coroutine<TResult>(new Call<Arguments<T>, TResult>(function, new(argument)), name).Started();

    /// <inheritdoc cref="Start(Func{Task}, string?)"/>
    public static Coroutine<TResult> Start<T1, T2, TResult>(Func<T1, T2, CancellationToken, Task<TResult>> function, T1 first, T2 second, string? name = null) =>
        new Coroutine<TResult>(new Call<Arguments<T1, T2>, TResult>(function, new(first, second)), name).Started();

    /// <inheritdoc cref="Start(Func{Task}, string?)"/>
    public static Coroutine<TResult> Start<T1, T2, T3, TResult>(Func<T1, T2, T3, CancellationToken, Task<TResult>> function, T1 first, T2 second, T3 third, string? name = null) =>
        new Coroutine<TResult>(new Call<Arguments<T1, T2, T3>, TResult>(function, new(first, second, third)), name).Started();
}

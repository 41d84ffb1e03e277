using System.Runtime.CompilerServices;
using ManyHands.Platform;
using ManyHands.Serialization;

namespace ManyHands.Calls;

/// <summary>
/// The arguments of a call, and every form of function that can take them. One type per number of arguments; all overloads of the
/// public API funnel into these, and no engine knows how many arguments there are.
/// </summary>
internal interface IArguments<TSelf>
    where TSelf : struct, IArguments<TSelf>
{
    static abstract TSelf Read(ref PayloadReader reader);

    void Write(PayloadWriter writer);

    /// <summary>Calls the function in whichever of its forms it is, on the calling thread.</summary>
    ValueTask<TResult> Invoke<TResult>(Delegate function, CancellationToken token);

    /// <summary>Whether the function is of the plainest form: these arguments in, a result out, at once.</summary>
    static abstract bool IsPlain<TResult>(Delegate function);

    /// <summary>Calls a function of the plainest form.</summary>
    TResult InvokePlain<TResult>(Delegate function);

    /// <summary>The token among the arguments, if the caller passed it as one; it cancels the call like the separate parameter does.</summary>
    CancellationToken Token { get; }
}

internal readonly struct Arguments : IArguments<Arguments>
{
    public CancellationToken Token => default;

    public static bool IsPlain<TResult>(Delegate function) => function.GetType() == typeof(Func<TResult>);

    public TResult InvokePlain<TResult>(Delegate function) => Unsafe.As<Func<TResult>>(function)();

    public static Arguments Read(ref PayloadReader reader) => default;

    public void Write(PayloadWriter writer)
    {
    }

    public ValueTask<TResult> Invoke<TResult>(Delegate function, CancellationToken token)
    {
        // Task-returning forms first: delegates are covariant, so a Func<Task<object>> is also a Func<object>.
        switch (function)
        {
            case Func<Task<TResult>> f: return new(f());
            case Func<CancellationToken, Task<TResult>> f: return new(f(token));
            case Func<TResult> f: return new(f());
            case Func<CancellationToken, TResult> f: return new(f(token));
            case Func<Task> f: return FunctionForms.WithoutResult<TResult>(f());
            case Func<CancellationToken, Task> f: return FunctionForms.WithoutResult<TResult>(f(token));
            case Action f: f(); return default;
            case Action<CancellationToken> f: f(token); return default;
            default: throw FunctionForms.Unknown(function);
        }
    }
}

internal readonly struct Arguments<T>(T argument) : IArguments<Arguments<T>>
{
    private readonly T argument = argument;

    public CancellationToken Token => FunctionForms.TokenIn(argument);

    public static bool IsPlain<TResult>(Delegate function) => function.GetType() == typeof(Func<T, TResult>);

    public TResult InvokePlain<TResult>(Delegate function) => Unsafe.As<Func<T, TResult>>(function)(argument);

    public static Arguments<T> Read(ref PayloadReader reader) => new(Codec<T>.Instance.Read(ref reader));

    public void Write(PayloadWriter writer) => FunctionForms.WriteArgument(writer, argument, 1);

    public ValueTask<TResult> Invoke<TResult>(Delegate function, CancellationToken token)
    {
        switch (function)
        {
            case Func<T, Task<TResult>> f: return new(f(argument));
            case Func<T, CancellationToken, Task<TResult>> f: return new(f(argument, token));
            case Func<T, TResult> f: return new(f(argument));
            case Func<T, CancellationToken, TResult> f: return new(f(argument, token));
            case Func<T, Task> f: return FunctionForms.WithoutResult<TResult>(f(argument));
            case Func<T, CancellationToken, Task> f: return FunctionForms.WithoutResult<TResult>(f(argument, token));
            case Action<T> f: f(argument); return default;
            case Action<T, CancellationToken> f: f(argument, token); return default;
            default: throw FunctionForms.Unknown(function);
        }
    }
}

internal readonly struct Arguments<T1, T2>(T1 first, T2 second) : IArguments<Arguments<T1, T2>>
{
    private readonly T1 first = first;
    private readonly T2 second = second;

    public CancellationToken Token => FunctionForms.TokenIn(second) is { CanBeCanceled: true } token ? token : FunctionForms.TokenIn(first);

    public static bool IsPlain<TResult>(Delegate function) => function.GetType() == typeof(Func<T1, T2, TResult>);

    public TResult InvokePlain<TResult>(Delegate function) => Unsafe.As<Func<T1, T2, TResult>>(function)(first, second);

    public static Arguments<T1, T2> Read(ref PayloadReader reader) =>
        new(Codec<T1>.Instance.Read(ref reader), Codec<T2>.Instance.Read(ref reader));

    public void Write(PayloadWriter writer)
    {
        FunctionForms.WriteArgument(writer, first, 1);
        FunctionForms.WriteArgument(writer, second, 2);
    }

    public ValueTask<TResult> Invoke<TResult>(Delegate function, CancellationToken token)
    {
        switch (function)
        {
            case Func<T1, T2, Task<TResult>> f: return new(f(first, second));
            case Func<T1, T2, CancellationToken, Task<TResult>> f: return new(f(first, second, token));
            case Func<T1, T2, TResult> f: return new(f(first, second));
            case Func<T1, T2, CancellationToken, TResult> f: return new(f(first, second, token));
            case Func<T1, T2, Task> f: return FunctionForms.WithoutResult<TResult>(f(first, second));
            case Func<T1, T2, CancellationToken, Task> f: return FunctionForms.WithoutResult<TResult>(f(first, second, token));
            case Action<T1, T2> f: f(first, second); return default;
            case Action<T1, T2, CancellationToken> f: f(first, second, token); return default;
            default: throw FunctionForms.Unknown(function);
        }
    }
}

internal readonly struct Arguments<T1, T2, T3>(T1 first, T2 second, T3 third) : IArguments<Arguments<T1, T2, T3>>
{
    private readonly T1 first = first;
    private readonly T2 second = second;
    private readonly T3 third = third;

    public CancellationToken Token => FunctionForms.TokenIn(third) is { CanBeCanceled: true } token
        ? token
        : new Arguments<T1, T2>(first, second).Token;

    public static bool IsPlain<TResult>(Delegate function) => function.GetType() == typeof(Func<T1, T2, T3, TResult>);

    public TResult InvokePlain<TResult>(Delegate function) => Unsafe.As<Func<T1, T2, T3, TResult>>(function)(first, second, third);

    public static Arguments<T1, T2, T3> Read(ref PayloadReader reader) =>
        new(Codec<T1>.Instance.Read(ref reader), Codec<T2>.Instance.Read(ref reader), Codec<T3>.Instance.Read(ref reader));

    public void Write(PayloadWriter writer)
    {
        FunctionForms.WriteArgument(writer, first, 1);
        FunctionForms.WriteArgument(writer, second, 2);
        FunctionForms.WriteArgument(writer, third, 3);
    }

    public ValueTask<TResult> Invoke<TResult>(Delegate function, CancellationToken token)
    {
        switch (function)
        {
            case Func<T1, T2, T3, Task<TResult>> f: return new(f(first, second, third));
            case Func<T1, T2, T3, CancellationToken, Task<TResult>> f: return new(f(first, second, third, token));
            case Func<T1, T2, T3, TResult> f: return new(f(first, second, third));
            case Func<T1, T2, T3, CancellationToken, TResult> f: return new(f(first, second, third, token));
            case Func<T1, T2, T3, Task> f: return FunctionForms.WithoutResult<TResult>(f(first, second, third));
            case Func<T1, T2, T3, CancellationToken, Task> f: return FunctionForms.WithoutResult<TResult>(f(first, second, third, token));
            case Action<T1, T2, T3> f: f(first, second, third); return default;
            case Action<T1, T2, T3, CancellationToken> f: f(first, second, third, token); return default;
            default: throw FunctionForms.Unknown(function);
        }
    }
}

/// <summary>What the forms of functions have in common.</summary>
internal static class FunctionForms
{
    public static CancellationToken TokenIn<T>(T argument) =>
        typeof(T) == typeof(CancellationToken) ? (CancellationToken)(object)argument! : default;

    public static void WriteArgument<T>(PayloadWriter writer, T argument, int position)
    {
        try
        {
            Codec<T>.Instance.Write(writer, argument);
        }
        catch (UnsendableValueException reason)
        {
            throw new UnsendableValueException($"Argument {position} ({TypeNames.Of(typeof(T))}) can't travel to another process: {ExceptionText.MessageOf(reason)}", reason);
        }
    }

    public static ValueTask<TResult> WithoutResult<TResult>(Task task) =>
        task.IsCompletedSuccessfully ? default : Await<TResult>(task);

    public static InvalidOperationException Unknown(Delegate function) =>
        new($"A function of the form {function.GetType()} reached an engine; no public overload takes it.");

    private static async ValueTask<TResult> Await<TResult>(Task task)
    {
        await task.ConfigureAwait(false);
        return default!;
    }
}

using System.Linq.Expressions;
using System.Reflection;
using ManyHands.Calls;
using ManyHands.Platform;
using ManyHands.Serialization;

namespace ManyHands.Managers;

/// <summary>A member of a service, ready to be called with arguments from a payload.</summary>
internal abstract class HostedMethod(ServiceMethod method)
{
    public ServiceMethod Method => method;

    /// <summary>Why it may not be used; null if it may.</summary>
    public string? Forbidden { get; init; }

    public static HostedMethod Create(Type contract, ServiceMethod method, string? forbidden) => (HostedMethod)typeof(HostedMethod)
        .GetMethod(nameof(Make), BindingFlags.Static | BindingFlags.NonPublic)!
        .MakeGenericMethod(contract, method.ResultType)
        .Invoke(null, [method, forbidden])!;

    /// <exception cref="InvalidPayloadException">The bytes are no such arguments.</exception>
    public object?[] ReadArguments(ReadOnlyMemory<byte> body, CancellationToken token)
    {
        PayloadReader reader = new(body);
        object?[] arguments = new object?[method.Parameters.Length];
        for (int i = 0; i < arguments.Length; i++)
            arguments[i] = method.Parameters[i] is { } codec ? codec.ReadObject(ref reader) : token;
        if (reader.Remaining > 0)
            throw new InvalidPayloadException($"{reader.Remaining:N0} bytes are left over behind the arguments.");
        return arguments;
    }

    /// <summary>Calls the object's method on this thread, waits for it, and writes its result.</summary>
    /// <exception cref="UnsendableResultException">The result can't travel.</exception>
    public abstract ValueTask RunAsync(object target, object?[] arguments, PayloadWriter answer);

    private static HostedMethod<TContract, TResult> Make<TContract, TResult>(ServiceMethod method, string? forbidden)
        where TContract : class => new(method) { Forbidden = forbidden };
}

/// <inheritdoc/>
internal sealed class HostedMethod<TContract, TResult>(ServiceMethod method) : HostedMethod(method)
    where TContract : class
{
    private readonly Lazy<Func<TContract, object?[], ValueTask<TResult>>> invoke = new(() => Compile(method));

    public override async ValueTask RunAsync(object target, object?[] arguments, PayloadWriter answer)
    {
        TResult result = await invoke.Value((TContract)target, arguments).ConfigureAwait(false);
        try
        {
            Codec<TResult>.Instance.Write(answer, result);
        }
        catch (Exception reason) when (reason is UnsendableValueException or PayloadTooLargeException)
        {
            throw new UnsendableResultException($"{Method.Name}: the result ({TypeNames.Of(typeof(TResult))}) can't travel: {ExceptionText.MessageOf(reason)}", reason);
        }
    }

    private static Func<TContract, object?[], ValueTask<TResult>> Compile(ServiceMethod method)
    {
        ParameterExpression target = Expression.Parameter(typeof(TContract));
        ParameterExpression arguments = Expression.Parameter(typeof(object?[]));
        Expression call = Expression.Call(
            Expression.Convert(target, method.Method.DeclaringType!),
            method.Method,
            method.Method.GetParameters().Select((one, i) => Expression.Convert(Expression.ArrayIndex(arguments, Expression.Constant(i)), one.ParameterType)));
        bool hasResult = typeof(TResult) != typeof(NoResult);
        call = (method.Form, hasResult) switch
        {
            (ServiceForm.Blocking, false) => Expression.Block(call, Expression.Default(typeof(ValueTask<TResult>))),
            (ServiceForm.Blocking, true) => Expression.Call(typeof(HostedMethod<TContract, TResult>), nameof(Wrap), null, call),
            (ServiceForm.Task, false) => Expression.Call(typeof(HostedMethod<TContract, TResult>), nameof(WrapTask), null, call),
            (ServiceForm.Task, true) => Expression.Call(typeof(HostedMethod<TContract, TResult>), nameof(WrapResultTask), null, call),
            (_, false) => Expression.Call(typeof(HostedMethod<TContract, TResult>), nameof(WrapValueTask), null, call),
            (_, true) => call,
        };
        return Expression.Lambda<Func<TContract, object?[], ValueTask<TResult>>>(call, target, arguments).Compile();
    }

    private static ValueTask<TResult> Wrap(TResult result) => new(result);

    private static ValueTask<TResult> WrapTask(Task? done) => FunctionForms.WithoutResult<TResult>(done ?? throw NoTask());

    private static ValueTask<TResult> WrapResultTask(Task<TResult>? result) => new(result ?? throw NoTask());

    private static ValueTask<TResult> WrapValueTask(ValueTask done) => FunctionForms.WithoutResult<TResult>(done.AsTask());

    private static InvalidOperationException NoTask() => new("The method returned null instead of a task.");
}

using System.Linq.Expressions;
using System.Reflection;
using ManyHands.Calls;
using ManyHands.Platform;
using ManyHands.Serialization;

namespace ManyHands.Managers;

/// <summary>A function under the name by which both sides know it. The caller's side takes its name and how its arguments travel, the worker's side runs it.</summary>
internal abstract class RegisteredFunction(string name, string signature, Delegate function)
{
    private const int MostArguments = 3;

    public string Name => name;

    /// <summary>What it takes and returns, in C#'s words: <c>(string, int): byte[]</c>. Names of types, not of their assemblies, and what they are made of; a token is no part of it.</summary>
    public string Signature => signature;

    public Delegate Function => function;

    /// <summary>For the encoder: nothing of the function travels but its name.</summary>
    public FunctionReference Reference { get; } = FunctionReference.Registered(name);

    /// <exception cref="ArgumentException">No pool could run it elsewhere; the message says why.</exception>
    public static RegisteredFunction Create(string name, Delegate function)
    {
        if (function.HasSingleTarget is false)
            throw Refused(name, "it is several functions in one delegate. Register each.");
        MethodInfo invoke = function.GetType().GetMethod("Invoke")!;
        if (WhyRefused(invoke, function.Method) is { } why)
            throw Refused(name, why);
        Type[] parameters = [.. invoke.GetParameters().Select(one => one.ParameterType)];
        bool takesToken = parameters is [.., { } last] && last == typeof(CancellationToken);
        Type[] arguments = takesToken ? parameters[..^1] : parameters;
        Type result = ResultOf(invoke.ReturnType);

        // Whatever delegate it came in, pools know the forms of Func and Action.
        Type form = Expression.GetDelegateType([.. parameters, invoke.ReturnType]);
        if (function.GetType() != form)
            function = Delegate.CreateDelegate(form, function.Target, function.Method);
        Type argumentsType = arguments.Length switch
        {
            0 => typeof(Arguments),
            1 => typeof(Arguments<>).MakeGenericType(arguments),
            2 => typeof(Arguments<,>).MakeGenericType(arguments),
            _ => typeof(Arguments<,,>).MakeGenericType(arguments),
        };
        string signature = $"({string.Join(", ", arguments.Select(TypeLayout.NameOf))}): {(result == typeof(NoResult) ? "void" : TypeLayout.NameOf(result))}";
        return (RegisteredFunction)Activator.CreateInstance(typeof(RegisteredFunction<,>).MakeGenericType(argumentsType, result), name, signature, function)!;
    }

    /// <summary>Whether any pool takes a function of that form. What its types may be is another matter.</summary>
    public static bool IsOfKnownForm(MethodInfo method) => !method.ContainsGenericParameters && WhyUnknown(method) is null;

    /// <summary>Whether a call with the function's own delegate passes what the other side expects. It doesn't if the compiler chose a base type for an argument or the result.</summary>
    public abstract bool Fits(Call call);

    /// <summary>Runs it in a pool of this process.</summary>
    /// <param name="payload">The arguments, as the caller wrote them.</param>
    /// <param name="side">The call's token and progress.</param>
    /// <param name="options">What holds for the call in the pool.</param>
    /// <param name="answer">Empty; receives the result.</param>
    /// <exception cref="ArgumentsUnreadableException">The bytes are no such arguments; nothing ran.</exception>
    /// <exception cref="UnsendableResultException">The result can't travel.</exception>
    public abstract Task RunAsync(Pool pool, ReadOnlyMemory<byte> payload, TransferContext side, CallOptions options, PayloadWriter answer);

    /// <param name="method">As it is called.</param>
    /// <param name="written">As it is written, for the names.</param>
    private static string? WhyRefused(MethodInfo method, MethodInfo written)
    {
        if (WhyUnknown(method) is { } why)
            return why;
        ParameterInfo[] parameters = method.GetParameters(), names = written.GetParameters();
        for (int i = 0; i < parameters.Length; i++)
        {
            if (WhyUnsendable(parameters[i].ParameterType) is { } reason)
                return $"its parameter '{(names.Length == parameters.Length ? names[i] : parameters[i]).Name}' is {reason}";
        }

        Type result = ResultOf(method.ReturnType);
        return result != typeof(NoResult) && WhyUnsendable(result) is { } refused ? $"its result is {refused}" : null;
    }

    private static string? WhyUnknown(MethodInfo method)
    {
        ParameterInfo[] parameters = method.GetParameters();
        if (Array.Find(parameters, one => one.ParameterType.IsByRef || one.ParameterType.IsPointer) is { } reference)
            return $"its parameter '{reference.Name}' is a reference, and arguments are copied. Take a value, and return what it changes.";
        int count = parameters is [.., { ParameterType: { } last }] && last == typeof(CancellationToken) ? parameters.Length - 1 : parameters.Length;
        if (count > MostArguments)
            return $"it has {count} parameters, and a call has at most {MostArguments} and a CancellationToken. Put some into a record.";
        if (method.ReturnType.IsByRef || method.ReturnType.IsByRefLike)
            return "it returns a reference, and results are copied. Return the value.";
        if (method.ReturnType == typeof(ValueTask) || (method.ReturnType.IsGenericType && method.ReturnType.GetGenericTypeDefinition() == typeof(ValueTask<>)))
            return "it returns a ValueTask. Return a Task.";
        return null;
    }

    private static string? WhyUnsendable(Type type)
    {
        if (type == typeof(CancellationToken))
            return null;
        string called = TypeNames.Of(type);
        if (SharedObjects.Is(type))
            return $"a {called}, which is memory of one machine. Use what the manager has of the kind, by its name.";
        return Codec.For(type).WhyRefused is { } why ? $"a {called}, which can't travel: {why}" : null;
    }

    private static Type ResultOf(Type returned)
    {
        if (returned == typeof(void) || returned == typeof(Task))
            return typeof(NoResult);
        return returned.IsGenericType && returned.GetGenericTypeDefinition() == typeof(Task<>) ? returned.GetGenericArguments()[0] : returned;
    }

    private static ArgumentException Refused(string name, string why) => new($"The function for '{name}' can't be called from another process: {why}");
}

/// <inheritdoc/>
internal sealed class RegisteredFunction<TArguments, TResult>(string name, string signature, Delegate function) : RegisteredFunction(name, signature, function)
    where TArguments : struct, IArguments<TArguments>
{
    private static readonly Type[] Parameters = typeof(TArguments).GetGenericArguments();
    private readonly Delegate function = function;

    // A token that is passed as the last argument travels behind all others, where it does no harm.
    public override bool Fits(Call call) => call is Call<TArguments, TResult>
        || (call.ResultType == typeof(TResult) && call.ArgumentsType.GetGenericArguments() is [.. { } others, { } last] && last == typeof(CancellationToken) && others.SequenceEqual(Parameters));

    public override async Task RunAsync(Pool pool, ReadOnlyMemory<byte> payload, TransferContext side, CallOptions options, PayloadWriter answer)
    {
        TArguments arguments;
        try
        {
            PayloadReader reader = new(payload, side);
            arguments = TArguments.Read(ref reader);
        }
        catch (Exception damage)
        {
            throw new ArgumentsUnreadableException($"the arguments can't be read: {ExceptionText.MessageOf(damage)} Are both sides' types the same?", damage);
        }

        TResult result = await pool.StartCall(new Call<TArguments, TResult>(function, arguments, options, side.Token)).ConfigureAwait(false);
        try
        {
            Codec<TResult>.Instance.Write(answer, result);
        }
        catch (Exception reason) when (reason is UnsendableValueException or PayloadTooLargeException)
        {
            throw new UnsendableResultException($"the result ({TypeNames.Of(typeof(TResult))}) can't travel back: {ExceptionText.MessageOf(reason)}", reason);
        }
    }
}

/// <summary>A call's arguments are no such arguments.</summary>
internal sealed class ArgumentsUnreadableException(string message, Exception inner) : Exception(message, inner);

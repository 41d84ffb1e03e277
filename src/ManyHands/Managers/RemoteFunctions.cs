using System.Collections.Concurrent;
using System.Reflection;
using ManyHands.Calls;
using ManyHands.Managers;
using ManyHands.Serialization;

namespace ManyHands;

/// <summary>
/// The functions that calls over a manager can name. Callers and workers each fill one, with the same names: what travels is a name and the arguments, never a type or code, so the two sides may be
/// different builds, or different programs.
/// </summary>
/// <remarks>
/// <para>What a function takes and returns must be written the same on both sides; a call whose worker has the name for something else fails and says both. Types are compared by their names in C#, without namespace and assembly; a
/// <see cref="CancellationToken"/> at the end doesn't count.</para>
/// <para>Fill it before it is used. A worker's functions may have targets, such as a method of an object that holds what was loaded. A caller names its functions by the very method, so one that it only wants to call can be a method that
/// does nothing. Thread-safe.</para>
/// </remarks>
/// <example><code>
/// RemoteFunctions functions = new RemoteFunctions().Add("fib", Work.Fib).AddMethodsOf(typeof(Rendering));
/// </code></example>
public sealed class RemoteFunctions
{
    /// <summary>The longest name.</summary>
    private const int LongestName = 200;

    /// <summary>How many of them a message lists.</summary>
    private const int Listed = 20;

    private readonly ConcurrentDictionary<string, RegisteredFunction> byName = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<(MethodInfo Method, object? Target), RegisteredFunction> byMethod = new();

    /// <summary>The names, in alphabetical order.</summary>
    public IReadOnlyList<string> Names => [.. byName.Keys.Order(StringComparer.Ordinal)];

    /// <summary>Registers a function.</summary>
    /// <param name="name">What both sides call it: 1 to 200 characters, none of them a control character.</param>
    /// <param name="function">A function of a form that <c>Pool.RunAsync</c> takes: at most three parameters and a <see cref="CancellationToken"/>, with or without a result, synchronous or with a <see cref="Task"/>. Of an overloaded or generic
    /// method say which: <c>(Func&lt;int, int&gt;)Math.Abs</c>, <c>Work.Same&lt;string&gt;</c>.</param>
    /// <returns>This, for the next.</returns>
    /// <exception cref="ArgumentException">The name can't be one or is taken; or the function has another name; or it is of a form or takes types that can't be called from another process.</exception>
    public RemoteFunctions Add(string name, Delegate function)
    {
        ArgumentNullException.ThrowIfNull(name);
        ArgumentNullException.ThrowIfNull(function);
        if (name.Length is 0 or > LongestName || name.Any(char.IsControl))
            throw new ArgumentException($"'{name}' can't be the name of a function: it has 1 to {LongestName} characters, none of them a control character.", nameof(name));
        RegisteredFunction made = RegisteredFunction.Create(name, function);
        if (!byName.TryAdd(name, made))
            throw new ArgumentException($"'{name}' is {FunctionNames.Of(byName[name].Function.Method)} already. Take another name; of an overloaded method, one for each.", nameof(name));
        if (byMethod.TryAdd((made.Function.Method, made.Function.Target), made))
            return this;
        byName.TryRemove(name, out _);
        throw new ArgumentException($"{FunctionNames.Of(function.Method)} is registered as '{byMethod[(made.Function.Method, made.Function.Target)].Name}' already, and a call of it couldn't say which of the two is meant.", nameof(function));
    }

    /// <summary>Registers all public static methods that a type declares, each as <c>Type.Method</c>, such as <c>Work.Fib</c>. Left out are generic ones, and those of a form that no pool takes, such as with four parameters.</summary>
    /// <param name="type">Whose methods. Its name is part of theirs, without its namespace.</param>
    /// <returns>This, for the next.</returns>
    /// <exception cref="ArgumentException">A method is overloaded, so that its name would be taken twice; a name is taken; or a method has parameters or a result of types that can't travel. Register those one by one with <see cref="Add"/>.</exception>
    public RemoteFunctions AddMethodsOf(Type type)
    {
        ArgumentNullException.ThrowIfNull(type);
        foreach (MethodInfo method in type.GetMethods(BindingFlags.Public | BindingFlags.Static | BindingFlags.DeclaredOnly))
        {
            if (method.IsSpecialName || !RegisteredFunction.IsOfKnownForm(method))
                continue;
            Type form = System.Linq.Expressions.Expression.GetDelegateType([.. method.GetParameters().Select(one => one.ParameterType), method.ReturnType]);
            Add($"{TypeNames.Of(type)}.{method.Name}", method.CreateDelegate(form));
        }

        return this;
    }

    /// <summary>Under which name a call's function is known.</summary>
    /// <exception cref="UnsendableCallException">Under none.</exception>
    internal RegisteredFunction Find(Call call, string pool)
    {
        MethodInfo method = call.Function.Method;
        if (!byMethod.TryGetValue((method, call.Function.Target), out RegisteredFunction? found))
        {
            string called = FunctionNames.Of(method);
            string advice = UsesCaptures(call.Function.Target)
                ? "It is a lambda with captured variables or a method of an object, and those can't travel. Write a static method that takes them as arguments, and register that here and in the workers"
                : "Workers find functions by names that both sides have registered. Register it, here and in the workers";
            throw new UnsendableCallException($"{called} isn't registered for the pool '{pool}'. {advice}: new RemoteFunctions().Add(\"{called}\", {called}). {List()}");
        }

        if (!found.Fits(call))
        {
            throw new UnsendableCallException(
                $"{FunctionNames.Of(method)} is registered for the pool '{pool}' as '{found.Name}' with {found.Signature}, and the call is one with ({string.Join(", ", call.ArgumentsType.GetGenericArguments().Select(TypeNames.Of))}): {TypeNames.Of(call.ResultType)}. Name its type arguments as it is registered.");
        }

        return found;
    }

    /// <summary>What a caller means; null, and why not, if this side has no such function.</summary>
    internal RegisteredFunction? Find(in PoolCallMessage call, string worker, out string why)
    {
        why = "";
        if (!byName.TryGetValue(call.Function, out RegisteredFunction? found))
            why = $"the worker '{worker}' has no function '{call.Function}' {call.Signature}; {List()} Are the two sides of versions that fit?";
        else if (found.Signature != call.Signature)
            why = $"the worker '{worker}' has '{call.Function}' as {found.Signature}, and the caller means {call.Signature}. Give one of the two another name, or both the same version.{TypeLayout.Explain(found.Signature, call.Signature)}";
        else
            return found;
        return null;
    }

    private static bool UsesCaptures(object? target) => target is not null && target.GetType().GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic).Length > 0;

    private string List()
    {
        IReadOnlyList<string> names = Names;
        return names.Count == 0
            ? "Nothing is registered."
            : $"Registered are {string.Join(", ", names.Take(Listed))}{(names.Count > Listed ? $" and {names.Count - Listed} more" : "")}.";
    }
}

using System.Collections.Concurrent;
using System.Reflection;
using ManyHands.Serialization;

namespace ManyHands.Managers;

/// <summary>How a member hands back what it has to say.</summary>
internal enum ServiceForm
{
    Blocking,
    Task,
    ValueTask,
}

/// <summary>A member of a service, as both sides know it.</summary>
/// <param name="Method">Of the interface.</param>
/// <param name="Signature">By what it is called on the wire: <c>Add(int, int): int</c>. A text that is only ever compared.</param>
/// <param name="Form">How its caller waits.</param>
/// <param name="ResultType">What travels back; <see cref="NoResult"/> for nothing.</param>
/// <param name="Parameters">How each travels; null for the token, which doesn't.</param>
/// <param name="Setter">Of which property it is the setter; null if it is none.</param>
internal sealed record ServiceMethod(MethodInfo Method, string Signature, ServiceForm Form, Type ResultType, Codec?[] Parameters, string? Setter)
{
    /// <summary>Which parameter is the call's token; -1 if none is.</summary>
    public int TokenIndex { get; } = Array.IndexOf(Parameters, null);

    public string Name => $"{TypeNames.Of(Method.DeclaringType!)}.{Setter ?? Method.Name}";
}

/// <summary>What an interface offers to users in other processes: its methods and properties and those of its base interfaces, and nothing else. What can't be used from afar is refused as a whole.</summary>
internal sealed class ServiceContract
{
    private const BindingFlags Declared = BindingFlags.Instance | BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly;
    private static readonly ConcurrentDictionary<Type, ServiceContract> Known = new();

    private readonly Dictionary<MethodInfo, ServiceMethod> byMethod = [];
    private readonly Dictionary<string, ServiceMethod> bySignature = new(StringComparer.Ordinal);

    private ServiceContract(Type type)
    {
        if (!type.IsInterface)
            throw new ArgumentException($"{TypeNames.Of(type)} is no interface. Declare one with what others may use of the object, and register it under that.");
        foreach (Type level in type.GetInterfaces().Prepend(type))
            AddMembers(level);
    }

    public IEnumerable<ServiceMethod> Methods => bySignature.Values;

    /// <exception cref="ArgumentException">The type is no interface, or has members that can't be used from another process; the message says which and what to write instead.</exception>
    public static ServiceContract Of(Type type) => Known.TryGetValue(type, out ServiceContract? known) ? known : Known.GetOrAdd(type, new ServiceContract(type));

    public ServiceMethod? Find(MethodInfo method) => byMethod.GetValueOrDefault(method);

    private static ArgumentException Refused(MemberInfo member, string why) =>
        new($"{TypeNames.Of(member.DeclaringType!)}.{member.Name} can't be used from another process: {why}");

    private void AddMembers(Type level)
    {
        if (level.GetEvents(Declared) is [{ } first, ..])
            throw Refused(first, "it is an event, whose receivers are in other processes. Put what happens into a queue of the manager.");
        Dictionary<MethodInfo, string> setters = level.GetProperties(Declared).Where(one => one.SetMethod is not null).ToDictionary(one => one.SetMethod!, one => one.Name);
        foreach (MethodInfo method in level.GetMethods(Declared))
        {
            if (method.IsStatic || !method.IsPublic)
            {
                if (method.IsAbstract)
                    throw Refused(method, method.IsStatic ? "it is static and belongs to no object. Make it an instance member." : "it isn't public. Make it public, or leave it out of the interface.");
                continue;
            }

            // What the interface itself does once and for all runs with the caller, by means of the other members.
            if (!method.IsVirtual)
                continue;
            ServiceMethod made = Describe(method, setters.GetValueOrDefault(method));
            byMethod.Add(method, made);
            if (!bySignature.TryAdd(made.Signature, made))
            {
                throw Refused(
                    method,
                    $"{TypeNames.Of(bySignature[made.Signature].Method.DeclaringType!)} declares {made.Signature} as well, and nobody could say which of the two is meant. Name one of them otherwise.");
            }
        }
    }

    private static ServiceMethod Describe(MethodInfo method, string? setter)
    {
        if (method.IsGenericMethod)
            throw Refused(method, "it is generic, and the object's process would have to load types that others name. Write a method for each type that is needed.");
        ParameterInfo[] parameters = method.GetParameters();
        Codec?[] codecs = new Codec?[parameters.Length];
        int tokens = 0;
        for (int i = 0; i < parameters.Length; i++)
        {
            Type type = parameters[i].ParameterType;
            if (type == typeof(CancellationToken))
            {
                if (++tokens > 1)
                    throw Refused(method, "it has several CancellationToken parameters, and a call follows one. Link them where it is called.");
                continue;
            }

            if (type.IsByRef)
                throw Refused(method, $"its parameter '{parameters[i].Name}' is {(parameters[i].IsOut ? "out" : parameters[i].IsIn ? "in" : "ref")}, and arguments are copied. {(parameters[i].IsIn ? "Pass it by value." : "Return it with the result, in a record or a tuple.")}");
            if (WhyRefused(type) is { } why)
                throw Refused(method, $"its parameter '{parameters[i].Name}' is {why}");
            codecs[i] = Codec.For(type);
        }

        (ServiceForm form, Type result) = FormOf(method.ReturnType);
        if (result.IsByRef)
            throw Refused(method, "it returns a reference, and results are copied. Return the value.");
        if (result == typeof(CancellationToken))
            throw Refused(method, "it returns a CancellationToken, which belongs to a call. Return a bool that says whether to stop.");
        if (result != typeof(NoResult) && WhyRefused(result) is { } reason)
            throw Refused(method, $"its result is {reason}");
        string signature = $"{method.Name}({string.Join(", ", parameters.Select(one => TypeLayout.NameOf(one.ParameterType)))}): {(result == typeof(NoResult) ? "void" : TypeLayout.NameOf(result))}";
        return new ServiceMethod(method, signature, form, result, codecs, setter);
    }

    private static (ServiceForm Form, Type Result) FormOf(Type type)
    {
        if (type == typeof(void))
            return (ServiceForm.Blocking, typeof(NoResult));
        if (type == typeof(Task))
            return (ServiceForm.Task, typeof(NoResult));
        if (type == typeof(ValueTask))
            return (ServiceForm.ValueTask, typeof(NoResult));
        if (type.IsGenericType && type.GetGenericTypeDefinition() == typeof(Task<>))
            return (ServiceForm.Task, type.GetGenericArguments()[0]);
        if (type.IsGenericType && type.GetGenericTypeDefinition() == typeof(ValueTask<>))
            return (ServiceForm.ValueTask, type.GetGenericArguments()[0]);
        return (ServiceForm.Blocking, type);
    }

    private static string? WhyRefused(Type type)
    {
        string name = TypeNames.Of(type);
        if (type == typeof(object))
            return "an object, which may be anything. Declare what it is: a record, a text, a number.";
        if (typeof(Delegate).IsAssignableFrom(type))
            return $"a {name}, which is code of one process. Pass the data it needs, and choose the function on the other side by an enum or a name.";
        if (type.IsGenericType && type.GetGenericTypeDefinition() == typeof(IProgress<>))
            return $"an {name}, whose receiver is in one process. Put reports into a queue of the manager, or have a member that tells how far it is.";
        if (type.IsByRefLike)
            return $"a {name}, which is an address of one process. Take an array, or a Memory<T>.";
        if (SharedObjects.Is(type))
            return $"a {name}, which is memory of one machine. Use what the manager has of the kind, by its name.";
        return Codec.For(type).WhyRefused is { } refused ? $"a {name}, which can't travel: {refused}" : null;
    }
}

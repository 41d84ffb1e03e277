using System.Reflection;
using System.Runtime.CompilerServices;
using ManyHands.Platform;
using ManyHands.Serialization;

namespace ManyHands.Managers;

/// <summary>
/// A record, or a class with public properties, is a dictionary with the properties' names as keys. It is made by its constructor without parameters, or else by the one whose parameters are named as its properties;
/// what the constructor doesn't take is set. Keys that it doesn't have are refused, and so is the lack of what must be there. A type that holds something else than what its public properties give back is refused.
/// </summary>
internal sealed class MemberConverter<T> : PythonConverter<T>
{
    private readonly Member[] members;
    private readonly Dictionary<string, Member> byName;
    private readonly ConstructorInvoker? make;
    private readonly int parameterCount;

    public MemberConverter()
    {
        Type type = typeof(T);
        PropertyInfo[] properties = [.. type.GetProperties(BindingFlags.Public | BindingFlags.Instance).Where(static property => property.GetIndexParameters().Length == 0 && property.GetMethod is { IsPublic: true })];
        if (properties.GroupBy(static property => property.Name, StringComparer.Ordinal).FirstOrDefault(static group => group.Count() > 1) is { } twice)
            throw new PythonConversionException($".{twice.Key}", "it is declared twice, in the class and in one that it is derived from; send a record with just the data");
        ConstructorInfo? constructor = type.GetConstructors().Where(candidate => candidate.GetParameters().All(parameter => Matching(properties, parameter) is not null) && AreDifferent(candidate, properties))
            .OrderBy(static candidate => candidate.GetParameters().Length == 0 ? 0 : 1).ThenByDescending(static candidate => candidate.GetParameters().Length).FirstOrDefault();
        if (constructor is null && !type.IsValueType)
            throw new PythonConversionException("", $"{PythonConversion.TypeName(type)} has no public constructor without parameters, or whose parameters are named as its properties; {PythonConversion.Instead}");
        ParameterInfo[] parameters = constructor?.GetParameters() ?? [];
        parameterCount = parameters.Length;
        make = constructor is null ? null : ConstructorInvoker.Create(constructor);
        members = [.. properties.Select(property => new Member(property, Array.Find(parameters, parameter => Matching(properties, parameter) == property))).Where(static member => member.IsRestored)];
        if (members.Length == 0)
            throw new PythonConversionException("", $"{PythonConversion.TypeName(type)} has no public property that can be set; {PythonConversion.Instead}");
        ThrowIfMore(type);
        byName = members.ToDictionary(static member => member.Name);
    }

    public override object? To(T value, ConversionWork work)
    {
        if (value is null)
            return null;
        if (value.GetType() != typeof(T))
            throw new PythonConversionException("", $"a {PythonConversion.TypeName(value.GetType())} stands where a {PythonConversion.TypeName(typeof(T))} is declared, and what it has more would be lost");
        work.Enter(members.Length);
        PythonDictionary dictionary = new();
        object boxed = value;
        foreach (Member member in members)
        {
            try
            {
                dictionary[member.Name] = member.Converter.ToAny(member.Get(boxed), work);
            }
            catch (PythonConversionException problem)
            {
                throw problem.Within($".{member.Name}");
            }
        }

        work.Leave();
        return dictionary;
    }

    public override T From(object? value, ConversionWork work)
    {
        if (value is null && !typeof(T).IsValueType)
            return default!;
        PythonDictionary dictionary = value as PythonDictionary ?? throw Expected($"dict with the properties of {PythonConversion.TypeName(typeof(T))}", value);
        work.Enter(members.Length);
        foreach (object? key in dictionary.Keys)
        {
            if (key is not string name || !byName.ContainsKey(name))
                throw new PythonConversionException("", $"{PythonConversion.TypeName(typeof(T))} has no property {PythonText.Of(key)}");
        }

        object?[] arguments = parameterCount == 0 ? [] : new object?[parameterCount];
        foreach (Member member in members)
        {
            if (member.Parameter is { } parameter)
                arguments[parameter.Position] = dictionary.TryGetValue(member.Name, out object? given) ? member.Take(given, work) : member.Default;
        }

        object made = Made(arguments);
        foreach (Member member in members)
        {
            if (member.Parameter is not null)
                continue;
            if (dictionary.TryGetValue(member.Name, out object? given))
                member.Set(made, member.Take(given, work));
            else if (member.IsRequired)
                throw member.Missing();
        }

        work.Leave();
        return (T)made;
    }

    private object Made(object?[] arguments)
    {
        try
        {
            return make is null ? default(T)! : make.Invoke(arguments.AsSpan());
        }
        catch (Exception failure)
        {
            throw new PythonConversionException("", $"the constructor of {PythonConversion.TypeName(typeof(T))} refuses it: {ExceptionText.MessageOf(failure).TrimEnd('.')}", failure);
        }
    }

    // Of two whose names differ in case only, the one with the very name.
    private static PropertyInfo? Matching(PropertyInfo[] properties, ParameterInfo parameter) =>
        Array.Find(properties, property => property.PropertyType == parameter.ParameterType && property.Name == parameter.Name)
        ?? Array.Find(properties, property => property.PropertyType == parameter.ParameterType && string.Equals(property.Name, parameter.Name, StringComparison.OrdinalIgnoreCase));

    private static bool AreDifferent(ConstructorInfo constructor, PropertyInfo[] properties)
    {
        PropertyInfo?[] matched = [.. constructor.GetParameters().Select(parameter => Matching(properties, parameter))];
        return matched.Distinct().Count() == matched.Length;
    }

    // Fields that no property restores.
    private void ThrowIfMore(Type type)
    {
        if (type.IsGenericType && type.GetGenericTypeDefinition() == typeof(KeyValuePair<,>))
            return;
        for (Type? declaring = type; declaring is not null && declaring != typeof(object) && declaring != typeof(ValueType); declaring = declaring.BaseType)
        {
            foreach (FieldInfo field in declaring.GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly))
            {
                if (HiddenState.IsExcludedByUser(field))
                    continue;
                if (RestoredMembers.FindProperty(field) is not { } property)
                    throw More(type, field.Name, field.IsPublic ? "a field, which stays behind; make it a property" : "private state, which stays behind; send a record with just the data");
                if (!Array.Exists(members, member => member.Name == property.Name))
                    throw More(type, property.Name, "a property that can't be set when it is made again; add a public init or a constructor parameter of that name and type");
            }
        }
    }

    private static PythonConversionException More(Type type, string name, string what) => new($".{name}", $"it is {what} (of {PythonConversion.TypeName(type)})");

    private sealed class Member(PropertyInfo property, ParameterInfo? parameter)
    {
        private readonly MethodInvoker get = MethodInvoker.Create(property.GetMethod!);
        private readonly MethodInvoker? set = property.SetMethod is { IsPublic: true } setter ? MethodInvoker.Create(setter) : null;
        private PythonConverter? converter;

        public string Name => property.Name;

        public ParameterInfo? Parameter => parameter;

        public bool IsRestored => parameter is not null || set is not null;

        public bool IsRequired { get; } = property.IsDefined(typeof(RequiredMemberAttribute));

        public PythonConverter Converter => converter ??= PythonConversion.Of(property.PropertyType);

        public object? Default => parameter!.HasDefaultValue ? parameter.DefaultValue : throw Missing();

        public object? Get(object owner)
        {
            try
            {
                return get.Invoke(owner);
            }
            catch (Exception failure)
            {
                throw new PythonConversionException("", $"it can't be read: {ExceptionText.MessageOf(failure).TrimEnd('.')}", failure);
            }
        }

        public void Set(object owner, object? value)
        {
            try
            {
                set!.Invoke(owner, value);
            }
            catch (Exception failure)
            {
                throw new PythonConversionException($".{Name}", $"its setter refuses it: {ExceptionText.MessageOf(failure).TrimEnd('.')}", failure);
            }
        }

        public object? Take(object? given, ConversionWork work)
        {
            try
            {
                return Converter.FromAny(given, work);
            }
            catch (PythonConversionException problem)
            {
                throw problem.Within($".{Name}");
            }
        }

        public PythonConversionException Missing() => new($".{Name}", "it is missing");
    }
}
